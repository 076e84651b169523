namespace Telepresence.EndToEnd.Tree;

/// <summary>The link to the cluster is cut or away under a running session, or the pod is lost.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class LinkTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    [Theory]
    [ClassData(typeof(WaysWithoutPrivileges))]
    public async Task An_open_connection_a_mount_and_an_exposed_port_survive_a_cut_link_and_an_API_server_that_is_away(Way way)
    {
        (string name, string before) = await NamespaceAsync($"away-{way.Label()}");
        TreeShell inside = await TreeShell.StartAsync(Laptop.As(way.Person()), "--namespace", name, "--new-deployment", "away", "--method", way.Method(), "--expose", "8082");
        string signal = inside.User.At("go");
        (Task<CommandResult> talk, Func<string> said) = inside.Begin($"exec 3<>/dev/tcp/files.other/7; echo before >&3; head -n 1 <&3; until [ -e {signal} ]; do sleep 0.1; done; echo after >&3; head -n 1 <&3", TreeShell.LongPatience);
        await Eventually.GivesAsync("the connection is open", () => Task.FromResult(said()), static text => text == "before\n");
        await Cluster.ControlAsync("drop-port-forwards");
        Assert.Equal("practice", (await inside.RunAsync("curl -sS --max-time 30 http://files.other/")).Good());

        await Cluster.ControlAsync("away", "30");
        await Eventually.GivesAsync("the session says so", () => Task.FromResult(inside.Said), static said => said.Split('\n').Any(static line => line.StartsWith("T: ", StringComparison.Ordinal) && line.Contains("connect", StringComparison.OrdinalIgnoreCase)));
        await Eventually.GivesAsync("there is an answer again", async () => (await inside.RunAsync("curl -sS --max-time 50 http://files.other/")).Output, static output => output == "practice\n");
        await inside.User.WriteAsync("go", "");
        Assert.Equal("before\nafter", (await talk).Good());
        Assert.NotEmpty((await inside.RunAsync("cat $TELEPRESENCE_ROOT/var/run/secrets/kubernetes.io/serviceaccount/namespace")).Good());
        Task<CommandResult> server = inside.ServeOnce("TCP4-LISTEN:8082,bind=127.0.0.1", "still");
        await Eventually.GivesAsync("the exposed port answers", async () => (await Cluster.InPodAsync("other", "files", $"curl -sS --connect-timeout 10 --max-time 50 http://away.{name}:8082/")).Output, static output => output == "still");
        (await server).Good();
        await inside.RunAsync($"rm {signal}");
        (await inside.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
    }

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task A_lost_pod_ends_the_session_with_exit_code_3_and_the_words_of_old(Way way)
    {
        (string name, string before) = await NamespaceAsync($"lost-{way.Label()}");
        RunningCommand session = Laptop.As(way.Person()).BeginTelepresence("--namespace", name, "--new-deployment", "lost", "--method", way.Method(), "--run", "sh", "-c", "echo begun; exec sleep 1005");
        await session.SaysAsync("begun");
        await Cluster.ControlAsync("kill-pod", $"{name}/{Assert.Single(await Cluster.Api.NamesAsync($"/api/v1/namespaces/{name}/pods"))}");
        CommandResult result = await session.EndAsync();
        Assert.True(result.ExitCode == 3, result.ToString());
        Assert.Contains(Lost, result.Error.Split('\n'));
        await IsAsItWasAsync(name, before);
        await IsWhollyAsBeforeAsync();
    }

    [Fact]
    public async Task A_proxy_whose_container_dies_is_a_lost_connection_too()
    {
        (string name, string before) = await NamespaceAsync("died");
        RunningCommand session = Laptop.As(Person.Jane).BeginTelepresence("--namespace", name, "--new-deployment", "died", "--run", "sh", "-c", "echo begun; exec sleep 1006");
        await session.SaysAsync("begun");
        await Cluster.ControlAsync("kill-container", $"{name}/{Assert.Single(await Cluster.Api.NamesAsync($"/api/v1/namespaces/{name}/pods"))}");
        CommandResult result = await session.EndAsync();
        Assert.True(result.ExitCode == 3, result.ToString());
        Assert.Contains(Lost, result.Error.Split('\n'));
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task Pods_that_programs_talk_to_may_be_scaled_and_replaced_meanwhile()
    {
        TreeShell inside = await Cluster.SessionAsync(Way.NetnsAsJane);
        string files = Assert.Single(await Cluster.Api.NamesAsync("/api/v1/namespaces/other/pods?labelSelector=run%3Dfiles"));
        await Cluster.ControlAsync("kill-pod", $"other/{files}");
        await Eventually.GivesAsync("the Service answers again", async () => (await inside.RunAsync("curl -sS --max-time 5 http://files.other/")).Output, static output => output == "practice\n");
    }

    [Fact]
    public async Task Credentials_that_expire_during_a_session_do_not_end_it()
    {
        (string name, string before) = await NamespaceAsync("expired");
        TreeShell inside = await TreeShell.StartAsync(Laptop.As(Person.Jane), "--namespace", name, "--new-deployment", "expired");
        await Cluster.ControlAsync("refuse", "get", "pods");
        Assert.Equal("practice", (await inside.RunAsync("curl -sS --max-time 30 http://files.other/")).Good());
        await Cluster.ControlAsync("reset");
        (await inside.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
    }
}
