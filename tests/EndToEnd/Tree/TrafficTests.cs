namespace Telepresence.EndToEnd.Tree;

/// <summary>Connections and datagrams from inside to the cluster and to the laptop.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class TrafficTests(PracticeClusterFixture cluster)
{
    private const string ClusterEgress = "198.51.100.2";

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Bytes_arrive_whole_in_both_directions(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        const int size = 20_000_000;
        string expected = (await inside.RunAsync($"curl -sS http://files.other/bytes/{size}/sha256")).Good();
        Assert.Equal(expected, (await inside.RunAsync($"curl -sS http://files.other/bytes/{size} | sha256sum | cut -d' ' -f1")).Good());
        Assert.Equal(expected, (await inside.RunAsync($"curl -sS http://files.other/bytes/{size} | curl -sS -T - -H 'Transfer-Encoding:' -H 'Content-Length: {size}' http://files.other/sha256")).Good());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Pods_answer_by_address_and_closed_ports_refuse(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        string pod = await cluster.PodAddressAsync("other", "files"), six = await cluster.PodAddressAsync("other", "files", six: true);
        Assert.Equal("practice", (await inside.RunAsync($"curl -sS --max-time 20 http://{pod}/")).Good());
        Assert.Equal("practice", (await inside.RunAsync($"curl -sS --max-time 20 'http://[{six}]/'")).Good());
        CommandResult refused = await inside.RunAsync($"curl -sS --max-time 20 http://{pod}:81/");
        Assert.Equal(7, refused.ExitCode);
        Assert.DoesNotContain("timed out", refused.Error, StringComparison.Ordinal);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task The_pod_itself_answers_by_its_own_address(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.Equal(await cluster.PodAddressAsync(PracticeClusterFixture.Tree, PracticeClusterFixture.SharedName(way)), (await inside.RunAsync("curl -4 -sS --max-time 20 http://files.other/ip")).Good());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task What_only_the_cluster_reaches_is_reached_and_sees_the_cluster_s_address(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.Equal("PONG", (await inside.RunAsync("redis-cli -h db.cloud.example.com ping")).Good());
        Assert.Equal(ClusterEgress, (await inside.RunAsync("curl -sS --max-time 20 http://198.51.100.80/ip")).Good());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task UDP_goes_there_and_back(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.Equal("a datagram", (await inside.RunAsync("exec 3<>/dev/udp/files.other/7; echo a datagram >&3; timeout 20 head -n 1 <&3")).Good());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Ping_works_or_says_that_it_does_not(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        CommandResult ping = await inside.RunAsync($"ping -c 1 -W 10 {await cluster.PodAddressAsync("other", "files")}");
        if (way.Method() == "netns")
            Assert.Contains(" 0% packet loss", ping.Good(), StringComparison.Ordinal);
        else
            await Eventually.HoldsAsync("somebody says that it is not caught", () => Task.FromResult((inside.Said + ping.Error).Split('\n').Any(
                static line => line.Contains("/ping ", StringComparison.Ordinal) && line.Contains("--method netns", StringComparison.Ordinal))));
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Localhost_is_the_laptop_s(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        foreach ((string listen, string url) in ((string, string)[])[("TCP4-LISTEN:5432,bind=127.0.0.1", "http://127.0.0.1:5432/"), ("TCP6-LISTEN:5433,bind=[::1]", "http://[::1]:5433/"), ("TCP4-LISTEN:5434,bind=127.0.0.1", "http://localhost:5434/")])
        {
            RunningCommand server = inside.User.Begin("bash", "-c", TreeShell.OnceServer(listen, "from the laptop"));
            await Eventually.GivesAsync($"{url} answers inside", async () => (await inside.RunAsync($"curl -sS --max-time 50 '{url}'")).Output, static output => output == "from the laptop");
            await server.EndAsync();
        }
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_server_inside_is_reached_from_the_laptop(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Task<CommandResult> server = inside.ServeOnce("TCP4-LISTEN:8765,bind=127.0.0.1", "from inside");
        await Eventually.GivesAsync("it answers", async () => (await inside.User.RunAsync("curl", "-sS", "--max-time", "50", "http://127.0.0.1:8765/")).Output, static output => output == "from inside");
        (await server).Good();
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_port_that_a_server_of_the_laptop_has_is_taken_inside_too(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        RunningCommand server = inside.User.Begin("socat", "TCP4-LISTEN:5440,bind=127.0.0.1,reuseaddr", "SYSTEM:true");

        // Without a namespace of its own the look below would take the port itself, were it first.
        await Eventually.HoldsAsync("the server listens", async () => (await inside.User.RunAsync("ss", "-Hltn", "sport = :5440")).Output.Length > 0);
        await Eventually.HoldsAsync("the port is taken", async () => (await inside.RunAsync("timeout 1 socat -u TCP4-LISTEN:5440,bind=127.0.0.1 -")).Error.Contains("in use", StringComparison.Ordinal));
        await inside.User.RunAsync("curl", "-s", "http://127.0.0.1:5440/");
        await server.EndAsync();
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Programs_run_as_the_user_with_their_files_and_variables(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        string name = await inside.User.WriteAsync("own.txt", "mine");
        Assert.Equal(
            $"{way.User()}\n{inside.User.Home}\ngreen\nmine",
            (await inside.RunAsync($"id -un; pwd; echo $FAVOURITE; cat {name}")).Good());
        Assert.Equal($"{inside.User.Name} {inside.User.Name}", (await inside.RunAsync("touch made; stat -c '%U %G' made; rm made")).Good());
        Assert.Equal((await inside.User.RunAsync("id")).Good(), (await inside.RunAsync("id")).Good());
    }
}
