using Telepresence.PracticeCluster.Patches;

namespace Telepresence.PracticeCluster.Tests.Patches;

public sealed class StrategicMergePatchTests
{
    [Theory]
    // Containers by name, env by name, ports by number, mounts by path, volumes by name.
    [InlineData("{'spec':{'containers':[{'name':'a','image':'1'},{'name':'b','image':'1'}]}}", "{'spec':{'containers':[{'name':'b','image':'2'}]}}",
        "{'spec':{'containers':[{'name':'a','image':'1'},{'name':'b','image':'2'}]}}")]
    [InlineData("{'spec':{'containers':[{'name':'a','env':[{'name':'X','value':'1'}]}]}}", "{'spec':{'containers':[{'name':'a','env':[{'name':'Y','value':'2'}]}]}}",
        "{'spec':{'containers':[{'name':'a','env':[{'name':'X','value':'1'},{'name':'Y','value':'2'}]}]}}")]
    [InlineData("{'spec':{'containers':[{'name':'a','ports':[{'containerPort':80,'name':'x'}]}]}}", "{'spec':{'containers':[{'name':'a','ports':[{'containerPort':80,'name':'y'}]}]}}",
        "{'spec':{'containers':[{'name':'a','ports':[{'containerPort':80,'name':'y'}]}]}}")]
    [InlineData("{'spec':{'containers':[{'name':'a','volumeMounts':[{'mountPath':'/m','name':'v'}]}],'volumes':[{'name':'v','emptyDir':{}}]}}",
        "{'spec':{'containers':[{'name':'a','volumeMounts':[{'mountPath':'/m','$patch':'delete'}]}],'volumes':[{'name':'v','$patch':'delete'}]}}",
        "{'spec':{'containers':[{'name':'a','volumeMounts':[]}],'volumes':[]}}")]
    // Lists without a key are replaced, nulls delete, $patch: replace replaces.
    [InlineData("{'spec':{'containers':[{'name':'a','args':['1','2']}]}}", "{'spec':{'containers':[{'name':'a','args':['3']}]}}", "{'spec':{'containers':[{'name':'a','args':['3']}]}}")]
    [InlineData("{'metadata':{'labels':{'a':'1','b':'2'}}}", "{'metadata':{'labels':{'a':null}}}", "{'metadata':{'labels':{'b':'2'}}}")]
    [InlineData("{'metadata':{'labels':{'a':'1'}}}", "{'metadata':{'labels':{'$patch':'replace','b':'2'}}}", "{'metadata':{'labels':{'b':'2'}}}")]
    [InlineData("{'spec':{'containers':[{'name':'a'},{'name':'b'}]}}", "{'spec':{'containers':[{'name':'c'},{'$patch':'replace'}]}}", "{'spec':{'containers':[{'name':'c'}]}}")]
    // Order, sets, retained keys.
    [InlineData("{'spec':{'containers':[{'name':'a'},{'name':'b'}]}}", "{'spec':{'$setElementOrder/containers':[{'name':'b'},{'name':'a'}],'containers':[{'name':'a','image':'x'}]}}",
        "{'spec':{'containers':[{'name':'b'},{'name':'a','image':'x'}]}}")]
    [InlineData("{'metadata':{'finalizers':['a','b']}}", "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a'],'finalizers':['c']}}", "{'metadata':{'finalizers':['b','c']}}")]
    [InlineData("{'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1}}}}", "{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}", "{'spec':{'strategy':{'type':'Recreate'}}}")]
    public void Lists_merge_by_key_and_directives_are_obeyed(string target, string patch, string result) =>
        Given.Same(result, new StrategicMergePatch("Pod").Apply(Given.Object(target), Given.Object(patch)));

    [Fact]
    public void Service_ports_merge_by_port() => Given.Same("{'spec':{'ports':[{'port':80,'name':'b'},{'port':81}]}}",
        new StrategicMergePatch("Service").Apply(Given.Object("{'spec':{'ports':[{'port':80,'name':'a'}]}}"), Given.Object("{'spec':{'ports':[{'port':80,'name':'b'},{'port':81}]}}")));

    [Fact]
    public void The_target_itself_stays_as_it_was()
    {
        var target = Given.Object("{'spec':{'containers':[{'name':'a'}]}}");
        new StrategicMergePatch("Pod").Apply(target, Given.Object("{'spec':{'containers':[{'name':'a','image':'x'}]}}"));
        Given.Same("{'spec':{'containers':[{'name':'a'}]}}", target);
    }
}
