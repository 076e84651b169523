using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Tests.Objects;

public sealed class UnknownFieldTests
{
    [Fact]
    public void Misspelt_fields_are_found_at_any_depth()
    {
        var found = UnknownFields.Find(ResourceTypes.Deployments, Given.Object("""
            {'apiVersion':'apps/v1','kind':'Deployment','spec':{'replica':1,'template':{'spec':{'containers':[{'name':'a'},{'imagee':'x'}],
             'volumes':[{'name':'v','configMap':{'nam':'c'}}]}}}}
            """));
        Assert.Equal(["spec.replica", "spec.template.spec.containers[1].imagee", "spec.template.spec.volumes[0].configMap.nam"], found);
    }

    [Fact]
    public void Fields_of_embedded_messages_stand_in_their_parent() => Assert.Empty(UnknownFields.Find(ResourceTypes.Pods, Given.Object("""
        {'spec':{'containers':[{'readinessProbe':{'httpGet':{'path':'/','port':80},'periodSeconds':1},
         'env':[{'name':'A','valueFrom':{'secretKeyRef':{'name':'s','key':'k','optional':true}}}]}],'volumes':[{'name':'v','emptyDir':{}}]}}
        """)));

    [Fact]
    public void Free_maps_hold_anything() =>
        Assert.Empty(UnknownFields.Find(ResourceTypes.ConfigMaps, Given.Object("{'metadata':{'labels':{'a/b':'c'}},'data':{'x.y':'z'}}")));
}
