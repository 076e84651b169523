using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Patches;

namespace Telepresence.PracticeCluster.Tests.Patches;

public sealed class PatchTests
{
    // The examples of RFC 7396, appendix A.
    [Theory]
    [InlineData("{'a':'b'}", "{'a':'c'}", "{'a':'c'}")]
    [InlineData("{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}")]
    [InlineData("{'a':'b'}", "{'a':null}", "{}")]
    [InlineData("{'a':['b']}", "{'a':'c'}", "{'a':'c'}")]
    [InlineData("{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}")]
    [InlineData("{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}")]
    [InlineData("{'e':null}", "{'a':1}", "{'e':null,'a':1}")]
    [InlineData("{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}")]
    public void Merge_patch_follows_the_examples_of_its_rfc(string target, string patch, string result) =>
        Given.Same(result, MergePatch.Apply(Given.Object(target), Given.Object(patch)));

    [Theory]
    [InlineData("{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", "{'foo':'bar','baz':'qux'}")]
    [InlineData("{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]", "{'foo':['bar','qux','baz']}")]
    [InlineData("{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':'qux'}]", "{'foo':['bar','qux']}")]
    [InlineData("{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]", "{'foo':['bar','baz']}")]
    [InlineData("{'a':1}", "[{'op':'test','path':'/a','value':1},{'op':'replace','path':'/a','value':2}]", "{'a':2}")]
    [InlineData("{'a':{'b':1},'c':{}}", "[{'op':'move','from':'/a/b','path':'/c/d'}]", "{'a':{},'c':{'d':1}}")]
    [InlineData("{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/c'}]", "{'a':{'b':1},'c':{'b':1}}")]
    [InlineData("{'x/y':1,'m~n':2}", "[{'op':'remove','path':'/x~1y'},{'op':'remove','path':'/m~0n'}]", "{}")]
    public void Json_patch_applies_each_operation(string target, string patch, string result) =>
        Given.Same(result, JsonPatch.Apply(Given.Object(target), Given.Array(patch)));

    [Theory]
    [InlineData("[{'op':'test','path':'/a','value':2}]")]
    [InlineData("[{'op':'remove','path':'/b'}]")]
    [InlineData("[{'op':'replace','path':'/b','value':1}]")]
    [InlineData("[{'op':'add','path':'/l/7','value':1}]")]
    [InlineData("[{'op':'frobnicate','path':'/a'}]")]
    [InlineData("[{'op':'add','path':'a','value':1}]")]
    public void A_json_patch_that_cannot_be_applied_is_refused(string patch) =>
        Assert.Equal(422, Assert.Throws<ApiException>(() => JsonPatch.Apply(Given.Object("{'a':1,'l':[1]}"), Given.Array(patch))).Code);
}
