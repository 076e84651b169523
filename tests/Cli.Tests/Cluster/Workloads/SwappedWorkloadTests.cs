using System.Text.Json.Nodes;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Tests.Cluster.Workloads;

public sealed class SwappedWorkloadTests
{
    [Fact]
    public async Task The_original_is_noted_then_scaled_to_0_and_a_copy_stands_in()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        IProxyWorkload workload = Swap(cluster, "web:app");

        Pod pod = await cluster.StartPodAsync(workload);

        JsonObject original = cluster.Deployment("web");
        Hold hold = Hold.Of(original)!;
        Assert.Equal((0, 3, "jane@laptop", workload.Name), (Replicas(original), hold.Replicas, hold.Owner, hold.StandIn));
        Assert.Equal($"{workload.Name}-pod", pod.Metadata.Name);
        Assert.Equal(("app", Samples.Image), (workload.Container, workload.Image));
        int created = cluster.Requests.FindIndex(static request => request.StartsWith("POST", StringComparison.Ordinal) && request.Contains("/deployments", StringComparison.Ordinal));
        Assert.Equal(1, cluster.Requests.Take(created).Count(static request => request.StartsWith("PATCH", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task At_the_end_the_replicas_are_back_and_nothing_else_is_left()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        JsonObject before = cluster.Deployment("web");
        await cluster.StartPodAsync(Swap(cluster, "web"));

        Assert.Empty(await cluster.Journal.UndoAllAsync(default));

        JsonObject after = cluster.Deployment("web");
        Assert.True(JsonNode.DeepEquals(before["spec"], after["spec"]), after.ToJsonString());
        Assert.True(JsonNode.DeepEquals(before["metadata"]!["annotations"], after["metadata"]!["annotations"]), after.ToJsonString());
        Assert.Equal(["web"], cluster.Names("deployments"));
        Assert.Empty(cluster.Names("roles"));
        Assert.Empty(cluster.Names("rolebindings"));
    }

    [Fact]
    public async Task Undoing_it_again_finds_nothing_to_do()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        await cluster.StartPodAsync(Swap(cluster, "web"));
        HoldChange change = Assert.IsType<HoldChange>(Assert.Single(cluster.Journal.Open)) with { Client = cluster.Client };
        await change.UndoAsync(default);
        cluster.Change("deployments", "web", static web => web["spec"]!["replicas"] = 0);

        await change.UndoAsync(default);

        Assert.Equal(0, Replicas(cluster.Deployment("web")));
    }

    [Fact]
    public async Task Who_scaled_the_original_meanwhile_keeps_what_they_wanted()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        await cluster.StartPodAsync(Swap(cluster, "web"));
        cluster.Change("deployments", "web", static web => web["spec"]!["replicas"] = 5);

        await cluster.Journal.UndoAllAsync(default);

        Assert.Equal(5, Replicas(cluster.Deployment("web")));
        Assert.Null(Hold.Of(cluster.Deployment("web")));
    }

    [Fact]
    public async Task A_number_that_an_autoscaler_changed_before_the_swap_was_through_is_the_one_that_comes_back()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        bool done = false;
        cluster.Meanwhile = request =>
        {
            if (done || !request.StartsWith("POST", StringComparison.Ordinal) || !request.EndsWith("/roles", StringComparison.Ordinal))
                return;
            done = true;
            cluster.Change("deployments", "web", static web => web["spec"]!["replicas"] = 7);
        };
        await cluster.StartPodAsync(Swap(cluster, "web"));
        Assert.Equal(0, Replicas(cluster.Deployment("web")));

        await cluster.Journal.UndoAllAsync(default);

        Assert.Equal(7, Replicas(cluster.Deployment("web")));
    }

    [Fact]
    public async Task Of_two_that_come_at_once_one_is_told_who_has_it()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        bool done = false;
        cluster.Meanwhile = request =>
        {
            if (done || !request.StartsWith("PATCH", StringComparison.Ordinal))
                return;
            done = true;
            cluster.Change("deployments", "web", web => web["metadata"]!["annotations"] = new Hold("other", "joe@pc", DateTimeOffset.UtcNow, null, "web-telepresence-other").ToPatch());
        };

        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Swap(cluster, "web")));

        Assert.Equal(ExitCode.WorkloadHeld, error.ExitCode);
        Assert.Contains("joe@pc", error.Message, StringComparison.Ordinal);
        await cluster.Journal.UndoAllAsync(default);
        Assert.Equal(("other", 3), (Hold.Of(cluster.Deployment("web"))!.Session, Replicas(cluster.Deployment("web"))));
        Assert.Equal(["web"], cluster.Names("deployments"));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(null)]
    public async Task A_dead_sessions_swap_is_restored_first_and_then_taken(int? heardMinutesAgo)
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        LeaveSwap(cluster, heardMinutesAgo);
        await cluster.StartPodAsync(Swap(cluster, "web"));

        Assert.Equal("jane@laptop", Hold.Of(cluster.Deployment("web"))!.Owner);
        Assert.Equal(3, Hold.Of(cluster.Deployment("web"))!.Replicas);
        Assert.Null(cluster.Find("deployments", "web-telepresence-old"));
    }

    [Fact]
    public async Task A_session_whose_stand_in_was_heard_lately_is_not_dead_however_old_it_is()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        LeaveSwap(cluster, 1);

        Assert.Equal(ExitCode.WorkloadHeld, (await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Swap(cluster, "web")))).ExitCode);
        Assert.NotNull(cluster.Find("deployments", "web-telepresence-old"));
    }

    [Fact]
    public async Task The_pod_is_given_the_right_to_restore_that_one_deployment_and_no_other()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        IProxyWorkload workload = Swap(cluster, "web");
        await cluster.StartPodAsync(workload);

        JsonObject role = cluster.Find("roles", workload.Name)!;
        Assert.True(
            JsonNode.DeepEquals(
                JsonNode.Parse($$"""
                    [{"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["web"],"verbs":["get"]},
                     {"apiGroups":["apps"],"resources":["deployments/scale"],"resourceNames":["web"],"verbs":["get","patch"]},
                     {"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["{{workload.Name}}"],"verbs":["get","delete"]}]
                    """),
                role["rules"]),
            role.ToJsonString());
        Assert.Equal((string?)cluster.Deployment(workload.Name)["metadata"]!["uid"], (string?)role["metadata"]!["ownerReferences"]![0]!["uid"]);
        Assert.Equal("web", (string?)cluster.Find("rolebindings", workload.Name)!["subjects"]![0]!["name"]);
    }

    [Fact]
    public async Task Who_may_not_make_roles_swaps_all_the_same()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        cluster.Refuse = static request => request.Contains("/roles", StringComparison.Ordinal) || request.Contains("/rolebindings", StringComparison.Ordinal)
            ? (403, "Forbidden", "User \"dev\" cannot create resource \"roles\"")
            : null;
        await cluster.StartPodAsync(Swap(cluster, "web"));

        Assert.Equal(0, Replicas(cluster.Deployment("web")));
        Assert.Single(cluster.Told, static said => said.Contains("only this machine brings it back", StringComparison.Ordinal));
        Assert.Empty(await cluster.Journal.UndoAllAsync(default));
        Assert.Equal(3, Replicas(cluster.Deployment("web")));
    }

    [Fact]
    public async Task The_pod_may_restore_the_original_before_that_is_touched()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web.Replace("RollingUpdate", "Recreate", StringComparison.Ordinal));
        int? replicas = null;
        cluster.Meanwhile = request =>
        {
            if (request.StartsWith("POST", StringComparison.Ordinal) && request.EndsWith("/rolebindings", StringComparison.Ordinal))
                replicas = Replicas(cluster.Deployment("web"));
        };

        await Swap(cluster, "web").MakeAsync(default);

        Assert.Equal((3, 0), (replicas, Replicas(cluster.Deployment("web"))));
    }

    [Fact]
    public async Task A_copy_that_is_made_anew_gets_rights_that_belong_to_it()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web.Replace("RollingUpdate", "Recreate", StringComparison.Ordinal));
        IProxyWorkload workload = Swap(cluster, "web");
        await workload.MakeAsync(default);

        await workload.MakeWithoutSysctlsAsync(default);

        string uid = (string)cluster.Deployment(workload.Name)["metadata"]!["uid"]!;
        foreach (string kind in (string[])["roles", "rolebindings"])
            Assert.Equal(uid, (string?)cluster.Find(kind, workload.Name)!["metadata"]!["ownerReferences"]![0]!["uid"]);
        Assert.Equal(0, Replicas(cluster.Deployment("web")));
    }

    [Fact]
    public async Task A_session_that_an_outage_kept_silent_is_not_dead_when_it_speaks_again()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        LeaveSwap(cluster, 10);
        int looks = 0;
        cluster.Meanwhile = request =>
        {
            if (request.StartsWith("GET", StringComparison.Ordinal) && request.EndsWith("/web-telepresence-old", StringComparison.Ordinal) && ++looks == 2)
                cluster.Change("deployments", "web-telepresence-old", static left => left["metadata"]!["annotations"]![Hold.HeardKey] = Hold.Format(DateTimeOffset.UtcNow));
        };

        Assert.Equal(ExitCode.WorkloadHeld, (await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Swap(cluster, "web")))).ExitCode);
        Assert.NotNull(cluster.Find("deployments", "web-telepresence-old"));
        Assert.Contains(cluster.Told, static said => said.Contains("for a sign of life", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_has_the_name_of_a_dead_sessions_stand_in_and_is_not_its_is_spared()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        LeaveSwap(cluster, 10);
        cluster.Change("deployments", "web-telepresence-old", static left => left["metadata"]!["labels"] = new JsonObject { ["app"] = "theirs" });

        await cluster.StartPodAsync(Swap(cluster, "web"));

        Assert.NotNull(cluster.Find("deployments", "web-telepresence-old"));
    }

    [Fact]
    public async Task A_stand_in_that_was_made_behind_the_back_of_its_sessions_undo_goes_when_the_next_one_comes()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        LeaveSwap(cluster, 0);
        cluster.Change("deployments", "web-telepresence-old", static left => left["metadata"]!["annotations"]![StandIn.OriginalKey] = "web");
        cluster.Change("deployments", "web", static web =>
        {
            web["metadata"]!["annotations"] = new JsonObject();
            web["spec"]!["replicas"] = 3;
        });

        await cluster.StartPodAsync(Swap(cluster, "web"));

        Assert.Null(cluster.Find("deployments", "web-telepresence-old"));
    }

    [Fact]
    public async Task The_undo_waits_for_a_creation_that_is_on_its_way()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        using CancellationTokenSource interrupted = new();
        using ManualResetEventSlim mayGoOn = new();
        cluster.Meanwhile = request =>
        {
            if (!request.StartsWith("POST", StringComparison.Ordinal) || !request.EndsWith("/deployments", StringComparison.Ordinal))
                return;
            interrupted.Cancel();
            mayGoOn.Wait();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Swap(cluster, "web").MakeAsync(interrupted.Token));

        Task<IReadOnlyList<string>> undo = cluster.Journal.UndoAllAsync(default);
        Assert.False(undo.IsCompleted);
        mayGoOn.Set();

        Assert.Empty(await undo);
        Assert.Equal(["web"], cluster.Names("deployments"));
        Assert.Null(Hold.Of(cluster.Deployment("web")));
    }

    [Fact]
    public async Task Who_begins_to_keep_it_before_it_is_made_says_at_once_that_the_session_lives()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        IProxyWorkload workload = Swap(cluster, "web");
        using CancellationTokenSource ending = new();
        TaskCompletionSource beat = new(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.Meanwhile = request =>
        {
            if (request.StartsWith("PATCH", StringComparison.Ordinal) && request.EndsWith(workload.Name, StringComparison.Ordinal))
                beat.TrySetResult();
        };
        Task<string> keeping = workload.KeepAsync(ending.Token);

        await workload.MakeAsync(default);

        await beat.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await ending.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => keeping);
    }

    [Fact]
    public async Task What_the_pod_restored_is_not_swapped_again_although_its_annotations_are_still_there()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        IProxyWorkload workload = Swap(cluster, "web");
        await cluster.StartPodAsync(workload);
        cluster.Change("deployments", "web", static web => web["spec"]!["replicas"] = 3);
        await cluster.Client.DeleteAsync(KubeRequest.DeleteDeployment("web", workload.Name), default);

        Assert.Contains("was restored", (await Assert.ThrowsAsync<UserError>(() => workload.RemakeAsync(default))).Message, StringComparison.Ordinal);

        Assert.Empty(await cluster.Journal.UndoAllAsync(default));
        Assert.Null(Hold.Of(cluster.Deployment("web")));
        Assert.Equal(3, Replicas(cluster.Deployment("web")));
    }

    [Fact]
    public async Task What_stands_in_the_way_is_not_final_until_the_original_had_time_to_go()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        IProxyWorkload workload = Swap(cluster, "web");
        await workload.MakeAsync(default);
        Assert.False(await workload.IsRoomComingAsync(default));

        await workload.MakeRoomAsync(default);

        Assert.True(await workload.IsRoomComingAsync(default));
        Assert.Equal(TimeSpan.FromSeconds(300) + ProxyDeployment.StartLimit, workload.StartLimit);
    }

    [Fact]
    public async Task Nobody_stays_the_writer_of_the_replicas_that_came_back()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        await cluster.StartPodAsync(Swap(cluster, "web"));
        cluster.Change("deployments", "web", static web => web["metadata"]!["managedFields"] = JsonNode.Parse("""[{"manager":"helm"},{"manager":"telepresence"}]"""));

        await cluster.Journal.UndoAllAsync(default);

        Assert.Equal("""[{"manager":"helm"}]""", cluster.Deployment("web")["metadata"]!["managedFields"]!.ToJsonString());
    }

    [Fact]
    public async Task Who_may_not_make_deployments_never_scaled_anything()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        cluster.Refuse = static request => request.StartsWith("POST", StringComparison.Ordinal) ? (403, "Forbidden", "User \"dev\" cannot create resource \"deployments\"") : null;

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => cluster.StartPodAsync(Swap(cluster, "web")));

        Assert.Contains("verb \"create\" on \"deployments.apps\"", fault.Explanation.Message, StringComparison.Ordinal);
        Assert.Equal(3, Replicas(cluster.Deployment("web")));
        await cluster.Journal.UndoAllAsync(default);
        Assert.Null(Hold.Of(cluster.Deployment("web")));
    }

    [Fact]
    public async Task Where_sysctls_are_forbidden_the_copy_is_made_without()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        IProxyWorkload workload = Swap(cluster, "web");
        await workload.MakeAsync(default);
        string first = workload.PodSelector;

        await workload.MakeWithoutSysctlsAsync(default);

        Assert.Null(cluster.Deployment(workload.Name)["spec"]!["template"]!["spec"]!["securityContext"]!["sysctls"]);
        Assert.NotEqual(first, workload.PodSelector);
        Assert.False(workload.AsksForSysctls);
    }

    [Fact]
    public async Task A_stand_in_that_somebody_deleted_is_made_anew_while_the_hold_is_ours_and_not_after()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        IProxyWorkload workload = Swap(cluster, "web");
        await cluster.StartPodAsync(workload);
        await cluster.Client.DeleteAsync(KubeRequest.DeleteDeployment("web", workload.Name), default);
        await workload.RemakeAsync(default);
        Assert.Contains(workload.Name, cluster.Names("deployments"));

        cluster.Change("deployments", "web", static web => web["metadata"]!["annotations"] = new JsonObject());
        UserError error = await Assert.ThrowsAsync<UserError>(() => workload.RemakeAsync(default));

        Assert.Contains("was restored", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_of_several_containers_is_taken_and_that_is_said()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        await cluster.StartPodAsync(Swap(cluster, "web"));

        Assert.Contains("Deployment web has containers app and side; replacing app (choose with web:CONTAINER).", cluster.Told);
    }

    [Fact]
    public async Task The_container_that_kubectl_takes_by_default_goes_before_the_first()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web.Replace("sidecar.istio.io/inject\":\"true", "kubectl.kubernetes.io/default-container\":\"side", StringComparison.Ordinal));
        IProxyWorkload workload = Swap(cluster, "web");
        await cluster.StartPodAsync(workload);

        Assert.Equal("side", workload.Container);
    }

    [Fact]
    public async Task A_container_that_is_not_there_is_refused_with_those_that_are()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);

        UserError error = await Assert.ThrowsAsync<UserError>(() => cluster.StartPodAsync(Swap(cluster, "web:ap")));

        Assert.Equal((ExitCode.ContainerMissing, "Deployment web has no container ap; it has app and side."), (error.ExitCode, error.Message));
        Assert.All(cluster.Requests, static request => Assert.StartsWith("GET", request, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_annotations_that_a_controller_copied_to_the_replica_set_go_too()
    {
        await using FakeCluster cluster = await FakeCluster.StartAsync(Samples.Web);
        await cluster.StartPodAsync(Swap(cluster, "web"));
        JsonObject web = cluster.Deployment("web");
        cluster.Add("replicasets", new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = "web-1",
                ["annotations"] = web["metadata"]!["annotations"]!.DeepClone(),
                ["ownerReferences"] = new JsonArray(new JsonObject { ["uid"] = (string?)web["metadata"]!["uid"] }),
            },
        });

        await cluster.Journal.UndoAllAsync(default);

        Assert.Equal("""{"note":"mine"}""", cluster.Find("replicasets", "web-1")!["metadata"]!["annotations"]!.ToJsonString());
    }

    private static IProxyWorkload Swap(FakeCluster cluster, string name) =>
        new WorkloadRequest { Mode = WorkloadMode.Swap, Name = name, Image = Samples.Image }.Prepare(cluster.Context());

    private static int Replicas(JsonObject deployment) => (int)deployment["spec"]!["replicas"]!;

    // What a session of an hour ago left whose machine crashed; with or without its stand-in.
    private static void LeaveSwap(FakeCluster cluster, int? heardMinutesAgo)
    {
        DateTimeOffset then = DateTimeOffset.UtcNow.AddHours(-1);
        Hold hold = new("old", "joe@pc", then, null, "web-telepresence-old", 3);
        cluster.Change("deployments", "web", web =>
        {
            web["metadata"]!["annotations"] = hold.ToPatch();
            web["spec"]!["replicas"] = 0;
        });
        if (heardMinutesAgo is not { } minutes)
            return;
        JsonObject standIn = JsonNode.Parse("""{"metadata":{"name":"web-telepresence-old","labels":{"app.kubernetes.io/component":"stand-in","telepresence.io/session":"old"}},"spec":{"replicas":0}}""")!.AsObject();
        standIn["metadata"]!["annotations"] = (hold with { StandIn = null, Replicas = null, Heard = DateTimeOffset.UtcNow.AddMinutes(-minutes) }).ToPatch();
        cluster.Add("deployments", standIn);
    }
}
