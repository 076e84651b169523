namespace Telepresence.EndToEnd.Tree;

/// <summary>Ports of the pod that are served on the laptop.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class ExposeTests(PracticeClusterFixture cluster)
{
    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Before_anything_listens_callers_are_refused_and_then_it_works(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        string name = PracticeClusterFixture.SharedName(way);
        const string refused = "curl: (7)"; // where a reset were (56)
        await Eventually.HoldsAsync("the server of the test before has gone", async () => (await CallAsync($"http://{name}.tree:8080/")).Error.StartsWith(refused, StringComparison.Ordinal));
        Task<CommandResult> server = inside.ServeOnce("TCP4-LISTEN:8080,bind=127.0.0.1", "from inside");
        await Eventually.GivesAsync("it answers", async () => (await CallAsync($"http://{name}.tree.svc.cluster.local:8080/")).Output, static output => output == "from inside");
        (await server).Good();
        await Eventually.HoldsAsync("callers are refused again", async () => (await CallAsync($"http://{name}.tree:8080/")).Error.StartsWith(refused, StringComparison.Ordinal));
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_file_comes_whole_from_a_server_on_the_laptop(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        await inside.User.WriteAsync("www/file.txt", string.Concat(Enumerable.Repeat("hello world\n", 10_000)));
        (Task<CommandResult> server, _) = inside.Begin("timeout 110 python3 -m http.server --bind 127.0.0.1 --directory www 8080", TreeShell.LongPatience);
        string url = $"http://{PracticeClusterFixture.SharedName(way)}.tree:8080/file.txt";
        await Eventually.HoldsAsync("it answers", async () => (await CallAsync(url)).ExitCode == 0);
        Assert.Equal(inside.User.Read(inside.User.At("www/file.txt")), (await CallAsync(url)).Output);
        await inside.RunAsync("pkill -f 'python3 -m http.serve[r]' || kill $(pgrep -f 'python3 -m http.serve[r]')");
        await server;
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Another_port_here_than_there_and_a_server_on_the_other_loopback(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Task<CommandResult> server = inside.ServeOnce("TCP6-LISTEN:9092,bind=[::1]", "from inside");
        await Eventually.GivesAsync("it answers", async () => (await CallAsync($"http://{PracticeClusterFixture.SharedName(way)}.tree:9090/")).Output, static output => output == "from inside");
        (await server).Good();
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Datagrams_reach_a_server_and_its_answers_come_back(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        (Task<CommandResult> server, _) = inside.Begin("""
            exec timeout 110 python3 -c '
            import socket
            here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            here.bind(("127.0.0.1", 7070))
            said = b""
            while said != b"stop\n":
                said, caller = here.recvfrom(1000)
                here.sendto(b"heard " + said, caller)
            '
            """, TreeShell.LongPatience);
        await Eventually.GivesAsync(
            "it answers",
            async () => (await cluster.InPodAsync("other", "files", $"echo hello | timeout 3 socat -t 1 - UDP4:{PracticeClusterFixture.SharedName(way)}.tree:7070")).Output,
            static output => output == "heard hello\n");
        (await inside.RunAsync("echo stop >/dev/udp/127.0.0.1/7070")).Good();
        (await server).Good();
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_sidecar_is_called_and_calls_back_over_the_pod_s_own_loopback(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Task<CommandResult> server = inside.ServeOnce("TCP4-LISTEN:8910,bind=127.0.0.1", "from inside");
        await Eventually.GivesAsync("both directions work", async () => (await inside.RunAsync("timeout 50 socat -u TCP4:127.0.0.1:9876 -")).Output, static output => output == "sidecar: from inside\n");
        (await server).Good();
    }

    private Task<CommandResult> CallAsync(string url) => cluster.InPodAsync("other", "files", $"curl -sS --connect-timeout 10 --max-time 50 {url}");
}
