using System.Text.Json.Nodes;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Tests.Cluster.Workloads;

public sealed class ExistingWorkloadTests
{
    [Fact]
    public async Task The_container_is_found_by_its_image_although_it_is_the_second()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing);
        IProxyWorkload workload = Use(cluster);

        Pod pod = await cluster.StartPodAsync(workload);

        Assert.Equal(("servicename", "servicename-deployment-pod", 7700), (workload.Container, pod.Metadata.Name, workload.Port));
    }

    [Fact]
    public async Task Nothing_of_it_is_changed_but_the_note_who_has_it_and_that_goes()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing);
        JsonObject before = cluster.Deployment("servicename-deployment");
        await cluster.StartPodAsync(Use(cluster));
        JsonObject during = cluster.Deployment("servicename-deployment");
        Assert.Equal("jane@laptop", Hold.Of(during)!.Owner);
        Assert.True(JsonNode.DeepEquals(before["spec"], during["spec"]));

        Assert.Empty(await cluster.Journal.UndoAllAsync(default));

        Assert.Null(Hold.Of(cluster.Deployment("servicename-deployment")));
        Assert.True(JsonNode.DeepEquals(before["spec"], cluster.Deployment("servicename-deployment")["spec"]));
    }

    [Fact]
    public async Task Who_may_not_annotate_it_uses_it_all_the_same()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing);
        cluster.Refuse = static request => request.StartsWith("PATCH", StringComparison.Ordinal) ? (403, "Forbidden", "User \"dev\" cannot patch resource \"deployments\"") : null;

        await cluster.StartPodAsync(Use(cluster));

        Assert.Empty(await cluster.Journal.UndoAllAsync(default));
    }

    [Fact]
    public async Task The_second_is_told_who_has_it()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing);
        await cluster.StartPodAsync(Use(cluster));

        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Use(cluster, "joe@pc")));

        Assert.Equal(ExitCode.WorkloadHeld, error.ExitCode);
        Assert.Contains("held by jane@laptop since", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_of_another_version_is_one_sentence_that_names_both()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing.Replace(":1.0.0", ":0.27", StringComparison.Ordinal));

        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Use(cluster)));

        Assert.Equal(ExitCode.ProxyVersion, error.ExitCode);
        Assert.StartsWith("Deployment servicename-deployment runs version 0.27 of the proxy (datawire/telepresence-k8s:0.27) and this telepresence is version 1.0.0; make them the same", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_does_not_run_the_proxy_is_refused_with_the_images_that_it_has()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);

        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Use(cluster, name: "web")));

        Assert.Equal(ExitCode.ContainerMissing, error.ExitCode);
        Assert.Contains("app: example.com/app:1, side: envoy:2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_does_not_exist_is_refused_with_near_names()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing, Samples.Web);

        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Use(cluster, name: "servicename-deploymnt")));

        Assert.Equal(ExitCode.WorkloadMissing, error.ExitCode);
        Assert.StartsWith("There is no Deployment servicename-deploymnt in namespace web; did you mean servicename-deployment? ", error.Message, StringComparison.Ordinal);
        Assert.Empty(cluster.Journal.Open);
    }

    [Fact]
    public async Task One_without_pods_is_refused_at_once()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing.Replace("\"replicas\":1", "\"replicas\":0", StringComparison.Ordinal));

        Assert.Contains("scaled to 0", (await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Use(cluster)))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_the_nodes_network_a_proxy_without_a_key_is_refused()
    {
        string shared = Samples.Existing.Replace("\"spec\":{\"containers\"", "\"spec\":{\"hostNetwork\":true,\"containers\"", StringComparison.Ordinal);
        await using FakeCluster cluster = await FakeCluster.StartAsync(shared);

        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Use(cluster)));

        Assert.Equal(ExitCode.PodRefused, error.ExitCode);
        Assert.Contains("hostNetwork", error.Message, StringComparison.Ordinal);
        Assert.Null(Hold.Of(cluster.Deployment("servicename-deployment")));
    }

    [Theory]
    [InlineData("mirror.example.com/telepresence-k8s:1.0.0", true)]
    [InlineData("mirror.example.com/telepresence-k8s@sha256:00", true)]
    [InlineData("datawire/telepresence-k8s:0.27", false)]
    [InlineData("nginx", false)]
    public async Task A_pod_counts_when_its_image_is_the_proxys_of_this_version_wherever_it_comes_from(string image, bool accepted)
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing);
        IProxyWorkload workload = Use(cluster);
        await workload.MakeAsync(default);

        Assert.Equal(accepted, workload.Accepts(new Pod { Metadata = new ObjectMeta(), Spec = new PodSpec { Containers = [new Container { Name = "servicename", Image = image }] } }));
    }

    [Fact]
    public async Task A_port_that_the_spec_gives_the_proxy_is_the_one_that_is_forwarded()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Existing.Replace("""{"name":"MYENV","value":"hello"}""", """{"name":"TELEPRESENCE_PORT","value":"7788"}""", StringComparison.Ordinal));
        IProxyWorkload workload = Use(cluster);
        await cluster.StartPodAsync(workload);

        Assert.Equal(7788, workload.Port);
    }

    private static IProxyWorkload Use(FakeCluster cluster, string owner = "jane@laptop", string name = "servicename-deployment") =>
        new WorkloadRequest { Mode = WorkloadMode.Existing, Name = name, Image = "" }.Prepare(cluster.Context(owner));
}
