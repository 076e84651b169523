using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Controllers;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Practice;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Tests.Controllers;

public sealed class DeploymentTests(ClusterFixture fixture) : IClassFixture<ClusterFixture>
{
    [Fact]
    public async Task A_deployment_becomes_available_and_rolls_to_a_new_template()
    {
        fixture.Create(ResourceTypes.Deployments, "default", Deployment("roll", "good"));
        await fixture.UntilAsync(ResourceTypes.Deployments, "default", "roll", d => d.Num("status", "availableReplicas") == 3 && d.Num("status", "observedGeneration") == 1);
        Change("roll", "better");
        var done = await fixture.UntilAsync(ResourceTypes.Deployments, "default", "roll", d => d.Num("status", "observedGeneration") == 2
            && d.Num("status", "updatedReplicas") == 3 && d.Num("status", "replicas") == 3 && d.Num("status", "availableReplicas") == 3);
        Assert.Equal("2", done.Str("metadata", "annotations", "deployment.kubernetes.io/revision"));
        Assert.Equal("NewReplicaSetAvailable", Assert.Single(done.Each("status", "conditions"), c => c.Str("type") == "Progressing").Str("reason"));
    }

    [Fact]
    public async Task Annotations_of_a_deployment_are_copied_to_its_current_set_and_stay_there()
    {
        fixture.Create(ResourceTypes.Deployments, "default", Deployment("noted", "good"));
        await fixture.UntilAsync(ResourceTypes.Deployments, "default", "noted", d => d.Num("status", "availableReplicas") == 3);
        Annotate("noted", "mine");
        var set = fixture.Cluster.Registry.Store.List(ResourceTypes.ReplicaSets, "default").Single(s => s.Name().StartsWith("noted-", StringComparison.Ordinal)).Name();
        await fixture.UntilAsync(ResourceTypes.ReplicaSets, "default", set, s => s.Str("metadata", "annotations", "example.com/note") == "mine");
        Annotate("noted", null);
        await fixture.UntilAsync(ResourceTypes.Deployments, "default", "noted", d => d.At("metadata", "annotations", "example.com/note") is null);
        Assert.Equal("mine", fixture.Cluster.Registry.Store.Get(ResourceTypes.ReplicaSets, "default", set).Str("metadata", "annotations", "example.com/note"));
    }

    [Fact]
    public async Task A_rollout_that_never_becomes_ready_leaves_the_old_pods_available()
    {
        fixture.Create(ResourceTypes.Deployments, "default", Deployment("stuck", "good"));
        await fixture.UntilAsync(ResourceTypes.Deployments, "default", "stuck", d => d.Num("status", "availableReplicas") == 3);
        Change("stuck", PretendNode.UnreadyImage);
        var half = await fixture.UntilAsync(ResourceTypes.Deployments, "default", "stuck", d => d.Num("status", "observedGeneration") == 2 && d.Num("status", "updatedReplicas") == 1 && d.Num("status", "replicas") == 4);
        Assert.Equal(3, half.Num("status", "availableReplicas"));
    }

    [Fact]
    public async Task Endpoints_follow_the_ready_pods()
    {
        fixture.Create(ResourceTypes.Services, "default", "{'metadata':{'name':'eps'},'spec':{'selector':{'app':'eps'},'ipFamilyPolicy':'PreferDualStack','ports':[{'port':80,'targetPort':8080}]}}");
        fixture.Create(ResourceTypes.Deployments, "default", Deployment("eps", "good"));
        var endpoints = await fixture.UntilAsync(ResourceTypes.Endpoints, "default", "eps", e => e.Each("subsets").Sum(s => s.Each("addresses").Count()) == 3);
        Assert.Equal(8080, endpoints.Each("subsets").First().Each("ports").First().Num("port"));
        await fixture.UntilAsync(ResourceTypes.Deployments, "default", "eps", d => d.Num("status", "availableReplicas") == 3);
        fixture.Cluster.Registry.Delete(ResourceTypes.Deployments, "default", "eps", null, null, default, WriteContext.Internal);
        await fixture.UntilAsync(ResourceTypes.Endpoints, "default", "eps", e => e["subsets"] is null);
    }

    [Fact]
    public async Task A_quota_stops_pods_and_says_so_in_events_and_status()
    {
        fixture.Create(ResourceTypes.Namespaces, "", "{'metadata':{'name':'tight'}}");
        await fixture.UntilAsync(ResourceTypes.ServiceAccounts, "tight", "default", _ => true);
        fixture.Create(ResourceTypes.ResourceQuotas, "tight", "{'metadata':{'name':'q'},'spec':{'hard':{'pods':'1'}}}");
        fixture.Create(ResourceTypes.Deployments, "tight", Deployment("many", "good"));
        var failed = await fixture.UntilAsync(ResourceTypes.Deployments, "tight", "many",
            d => d.Num("status", "availableReplicas") == 1 && d.Each("status", "conditions").Any(c => c.Str("type") == "ReplicaFailure"));
        Assert.Contains("exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
            failed.Each("status", "conditions").Single(c => c.Str("type") == "ReplicaFailure").Str("message"));
        Assert.Contains(fixture.Cluster.Registry.Store.List(ResourceTypes.Events, "tight"), e => e.Str("reason") == "FailedCreate");
    }

    [Theory]
    [InlineData("25%", 3, true, 1)]
    [InlineData("25%", 3, false, 0)]
    [InlineData("50%", 4, false, 2)]
    [InlineData("2", 10, true, 2)]
    [InlineData("0%", 10, true, 0)]
    public void Percentages_round_up_for_surge_and_down_for_unavailability(string value, int of, bool up, int expected) =>
        Assert.Equal(expected, DeploymentController.IntOrPercent(JsonValue.Create(value), of, up));

    private void Annotate(string name, string? note) => fixture.Cluster.Registry.Update(ResourceTypes.Deployments, "default", name, d =>
    {
        d.Meta().Make("annotations")["example.com/note"] = note;
        if (note is null) d.Obj("metadata", "annotations")!.Remove("example.com/note");
        d.Meta().Remove("resourceVersion");
        return d;
    }, WriteContext.Internal);

    private void Change(string name, string image) => fixture.Cluster.Registry.Update(ResourceTypes.Deployments, "default", name, d =>
    {
        d.Each("spec", "template", "spec", "containers").First()["image"] = image;
        return d;
    }, WriteContext.Internal);

    private static string Deployment(string name, string image) =>
        $"{{'metadata':{{'name':'{name}'}},'spec':{{'replicas':3,'selector':{{'matchLabels':{{'app':'{name}'}}}},"
        + $"'template':{{'metadata':{{'labels':{{'app':'{name}'}}}},'spec':{{'containers':[{{'name':'c','image':'{image}'}}]}}}}}}}}";
}
