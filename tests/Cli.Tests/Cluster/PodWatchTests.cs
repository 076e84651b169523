using System.Diagnostics;

using Microsoft.AspNetCore.Http;

using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Tests.Cluster;

public sealed class PodWatchTests
{
    private const string Starting = """{"metadata":{"name":"p","uid":"1"},"status":{"phase":"Pending","containerStatuses":[{"name":"telepresence-proxy","state":{"waiting":{"reason":"ContainerCreating"}}}]}}""";
    private const string Running = """{"metadata":{"name":"p","uid":"1"},"status":{"phase":"Running","containerStatuses":[{"name":"telepresence-proxy","state":{"running":{}}}]}}""";
    private const string Crashed = """{"metadata":{"name":"p","uid":"1"},"status":{"phase":"Running","containerStatuses":[{"name":"telepresence-proxy","restartCount":1,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":1}}}]}}""";

    private readonly List<string> _progress = [];

    [Fact]
    public async Task Waits_until_the_pod_runs_and_says_what_for()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => WatchOr(context, [Starting, Running]));

        Pod pod = await WaitAsync(server);

        Assert.Equal("p", pod.Metadata.Name);
        Assert.Contains("Waiting for the proxy pod p to start (image pull)", _progress);
    }

    [Fact]
    public async Task Reads_again_and_again_where_it_may_not_watch()
    {
        int reads = 0;
        await using FakeApiServer server = await FakeApiServer.StartAsync(context => context.Request.Query.ContainsKey("watch")
            ? FakeApiServer.AnswerAsync(context, 403, FakeApiServer.Status(403, "Forbidden", "User \"jane\" cannot watch resource \"pods\""))
            : FakeApiServer.AnswerAsync(context, 200, IsList(context)
                ? $$"""{"items":[{{(Interlocked.Increment(ref reads) > 1 ? Running : Starting)}}]}"""
                : """{"metadata":{"name":"telepresence-0123456789"}}"""));

        Assert.Equal("p", (await WaitAsync(server)).Metadata.Name);
        Assert.True(reads > 1);
    }

    [Fact]
    public async Task A_proxy_that_crashes_is_reported_with_the_last_lines_of_its_log()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => context.Request.Path.Value!.EndsWith("/log", StringComparison.Ordinal)
            ? FakeApiServer.AnswerAsync(context, 200, "starting\nport 7700 is taken\n", "text/plain")
            : WatchOr(context, [Crashed]));

        UserError error = await Assert.ThrowsAsync<UserError>(() => WaitAsync(server));

        Assert.Equal(ExitCode.ProxyEnded, error.ExitCode);
        Assert.EndsWith("its last words: starting | port 7700 is taken.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_the_previous_run_is_removed_the_present_one_has_the_last_words()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => context.Request.Path.Value!.EndsWith("/log", StringComparison.Ordinal)
            ? FakeApiServer.AnswerAsync(context, 200, context.Request.QueryString.Value!.Contains("previous", StringComparison.Ordinal) ? "unable to retrieve container logs for containerd://4290bd" : "port 7700 is taken\n", "text/plain")
            : WatchOr(context, [Crashed]));

        UserError error = await Assert.ThrowsAsync<UserError>(() => WaitAsync(server));

        Assert.EndsWith("its last words: port 7700 is taken.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_that_cannot_be_pulled_is_reported_with_the_cause_and_not_with_the_back_off()
    {
        const string failed = """{"metadata":{"name":"p"},"status":{"phase":"Pending","containerStatuses":[{"name":"telepresence-proxy","state":{"waiting":{"reason":"ErrImagePull","message":"registry.example.com/x:1: not found"}}}]}}""";
        const string backOff = """{"metadata":{"name":"p"},"status":{"phase":"Pending","containerStatuses":[{"name":"telepresence-proxy","state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image \"x:1\""}}}]}}""";
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => WatchOr(context, [failed, backOff]));

        UserError error = await Assert.ThrowsAsync<UserError>(() => WaitAsync(server));

        Assert.Equal(ExitCode.ImagePull, error.ExitCode);
        Assert.Contains("registry.example.com/x:1: not found", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_right_to_watch_and_to_read_ends_the_wait()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(403, FakeApiServer.Status(403, "Forbidden", "User \"jane\" cannot list resource \"pods\""));

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => WaitAsync(server));

        Assert.Equal(ExitCode.Forbidden, fault.Explanation.ExitCode);
        Assert.Contains("\"list\" on \"pods\"", fault.Explanation.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Forbidden_sysctls_are_told_apart_so_that_it_can_do_without()
    {
        const string refused = """{"metadata":{"name":"p"},"status":{"phase":"Failed","reason":"SysctlForbidden","message":"forbidden sysctl"}}""";
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => WatchOr(context, [refused]));

        await Assert.ThrowsAsync<SysctlsForbiddenException>(() => WaitAsync(server));
    }

    private async Task<Pod> WaitAsync(FakeApiServer server)
    {
        using KubeClient client = server.Client();
        return await new PodWatch(client, new SampleWorkload(), _progress.Add).WaitAsync(CancellationToken.None);
    }

    [Fact]
    public async Task An_init_container_that_crashes_is_named_with_its_own_last_words()
    {
        const string stuck = """{"metadata":{"name":"p","uid":"1"},"status":{"phase":"Pending","initContainerStatuses":[{"name":"migrate","restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":2}}}],"containerStatuses":[{"name":"telepresence-proxy","state":{"waiting":{"reason":"PodInitializing"}}}]}}""";
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => context.Request.Path.Value!.EndsWith("/log", StringComparison.Ordinal)
            ? FakeApiServer.AnswerAsync(context, 200, $"no database for {context.Request.Query["container"]}\n", "text/plain")
            : WatchOr(context, [stuck]));

        UserError error = await Assert.ThrowsAsync<UserError>(() => WaitAsync(server));

        Assert.Equal("The proxy pod p's init container migrate ended with exit code 2; its last words: no database for migrate.", error.Message);
    }

    [Fact]
    public async Task Only_a_quota_or_a_full_node_makes_the_workload_give_way()
    {
        SampleWorkload workload = new();
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => WatchOr(context, ["""{"metadata":{"name":"p"},"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/1 nodes are available"}]}}""", Running]));
        using KubeClient client = server.Client();
        long since = Stopwatch.GetTimestamp();

        await new PodWatch(client, workload, _progress.Add).WaitAsync(CancellationToken.None);

        // Once, and again with each second that passes before it runs.
        Assert.InRange(workload.MadeRoom, 1, 1 + (int)(Stopwatch.GetElapsedTime(since) / TimeSpan.FromSeconds(0.9)));
    }

    private static bool IsList(HttpContext context) => context.Request.Path.Value!.EndsWith("/pods", StringComparison.Ordinal);

    // Sends the changes to whoever watches pods, and keeps every watch open.
    private static async Task WatchOr(HttpContext context, string[] pods)
    {
        await context.Response.StartAsync();
        foreach (string pod in IsList(context) ? pods : [])
        {
            await context.Response.WriteAsync($$"""{"type":"MODIFIED","object":{{pod}}}""" + "\n");
            await context.Response.Body.FlushAsync();
        }

        TaskCompletionSource gone = new();
        await using CancellationTokenRegistration aborted = context.RequestAborted.Register(gone.SetResult);
        await gone.Task;
    }
}
