using System.Text.Json.Nodes;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Tests.Cluster.Workloads;

public sealed class NewWorkloadTests
{
    [Fact]
    public async Task A_deployment_and_with_something_exposed_a_service_are_made_and_are_gone_at_the_end()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();
        IProxyWorkload workload = New(cluster, exposed: [new ContainerPort(8080), new ContainerPort(53, "UDP")]);
        await cluster.StartPodAsync(workload);

        JsonObject service = cluster.Find("services", "quickstart")!;
        JsonObject labels = cluster.Deployment("quickstart")["spec"]!["template"]!["metadata"]!["labels"]!.AsObject();
        Assert.All(service["spec"]!["selector"]!.AsObject(), selected => Assert.Equal((string?)selected.Value, (string?)labels[selected.Key]));
        Assert.Equal(["8080/TCP", "53/UDP"], service["spec"]!["ports"]!.AsArray().Select(static port => $"{port!["port"]}/{port["protocol"]}"));
        Assert.Equal(("quickstart", "quickstart"), ((string?)labels["name"], (string?)labels["run"]));

        Assert.Empty(await cluster.Journal.UndoAllAsync(default));
        Assert.Empty(cluster.Names("deployments"));
        Assert.Empty(cluster.Names("services"));
    }

    [Fact]
    public async Task Its_pod_is_like_any_pod_of_the_namespace_and_passes_pod_security_restricted()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();
        await cluster.StartPodAsync(New(cluster, account: "robot"));

        JsonObject pod = cluster.Deployment("quickstart")["spec"]!["template"]!["spec"]!.AsObject();
        Assert.Null(pod["automountServiceAccountToken"]);
        Assert.True((bool)pod["enableServiceLinks"]!);
        Assert.Equal("robot", (string?)pod["serviceAccountName"]);
        Assert.True((bool)pod["securityContext"]!["runAsNonRoot"]!);
        Assert.False((bool)pod["containers"]![0]!["securityContext"]!["allowPrivilegeEscalation"]!);
        Assert.Null(cluster.Find("services", "quickstart"));
    }

    [Fact]
    public async Task Without_a_name_it_makes_one_up()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();
        IProxyWorkload workload = new WorkloadRequest { Image = Samples.Image }.Prepare(cluster.Context());
        await cluster.StartPodAsync(workload);

        Assert.StartsWith("telepresence-", Assert.Single(cluster.Names("deployments")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("deployments")]
    [InlineData("services")]
    public async Task What_is_somebody_elses_is_never_deleted(string kind)
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();
        cluster.Add(kind, JsonNode.Parse("""{"metadata":{"name":"quickstart","labels":{"app":"theirs"}},"spec":{}}""")!.AsObject());

        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(New(cluster, exposed: [new ContainerPort(8080)])));

        Assert.Equal(ExitCode.NotOurs, error.ExitCode);
        Assert.NotNull(cluster.Find(kind, "quickstart"));
        Assert.DoesNotContain(cluster.Requests, static request => request.StartsWith("DELETE", StringComparison.Ordinal) || request.StartsWith("POST", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_dead_session_left_under_the_name_is_replaced_and_what_a_live_one_has_is_not()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();
        await cluster.StartPodAsync(New(cluster));
        string first = (string)cluster.Deployment("quickstart")["metadata"]!["uid"]!;
        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(New(cluster, owner: "joe@pc")));
        Assert.Equal(ExitCode.WorkloadHeld, error.ExitCode);

        string old = Hold.Format(DateTimeOffset.UtcNow.AddHours(-1));
        foreach (string key in (string[])[Hold.SinceKey, Hold.HeardKey])
            cluster.Change("deployments", "quickstart", left => left["metadata"]!["annotations"]![key] = old);
        await cluster.StartPodAsync(New(cluster, owner: "joe@pc"));

        Assert.NotEqual(first, (string)cluster.Deployment("quickstart")["metadata"]!["uid"]!);
    }

    [Fact]
    public async Task The_service_of_a_session_that_has_just_begun_is_not_replaced_and_one_of_a_dead_session_is()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();
        await cluster.StartPodAsync(New(cluster, exposed: [new ContainerPort(8080)]));
        await cluster.Client.DeleteAsync(KubeRequest.DeleteDeployment("web", "quickstart"), default);
        string first = (string)cluster.Find("services", "quickstart")!["metadata"]!["uid"]!;
        Task Again() => cluster.StartPodAsync(New(cluster, owner: "joe@pc", exposed: [new ContainerPort(8080)]));
        Assert.Equal(ExitCode.WorkloadHeld, (await Assert.ThrowsAsync<UserError>(Again)).ExitCode);
        Assert.Equal(first, (string)cluster.Find("services", "quickstart")!["metadata"]!["uid"]!);

        string old = Hold.Format(DateTimeOffset.UtcNow.AddHours(-1));
        foreach (string key in (string[])[Hold.SinceKey, Hold.HeardKey])
            cluster.Change("services", "quickstart", left => left["metadata"]!["annotations"]![key] = old);
        await Again();

        Assert.NotEqual(first, (string)cluster.Find("services", "quickstart")!["metadata"]!["uid"]!);
    }

    [Fact]
    public async Task The_undo_spares_what_another_session_has_made_under_the_name()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();
        await cluster.StartPodAsync(New(cluster, exposed: [new ContainerPort(8080)]));
        foreach (string kind in (string[])["deployments", "services"])
            cluster.Change(kind, "quickstart", static item => item["metadata"]!["labels"]![ProxyDeployment.SessionLabel] = "another");

        Assert.Empty(await cluster.Journal.UndoAllAsync(default));

        Assert.Equal(["quickstart"], cluster.Names("deployments"));
        Assert.Equal(["quickstart"], cluster.Names("services"));
    }

    [Fact]
    public async Task A_name_that_cannot_be_one_makes_nothing()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();

        Assert.Throws<UserError>(() => New(cluster, name: "Quick_Start"));
        Assert.Empty(cluster.Requests);
    }

    [Fact]
    public async Task One_that_was_deleted_meanwhile_is_made_anew()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync();
        IProxyWorkload workload = New(cluster);
        await cluster.StartPodAsync(workload);
        await cluster.Client.DeleteAsync(KubeRequest.DeleteDeployment("web", "quickstart"), default);

        await workload.RemakeAsync(default);

        Assert.Equal(["quickstart"], cluster.Names("deployments"));
    }

    private static IProxyWorkload New(FakeCluster cluster, string name = "quickstart", string owner = "jane@laptop", string? account = null, IReadOnlyList<ContainerPort>? exposed = null) =>
        new WorkloadRequest { Mode = WorkloadMode.New, Name = name, Image = Samples.Image, ServiceAccount = account, Exposed = exposed ?? [] }.Prepare(cluster.Context(owner));
}
