using System.Net.Sockets;
using System.Text;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>What a laptop reaches, and what it does not.</summary>
[Collection(nameof(NodeCollection))]
public sealed class LaptopTests(NodeFixture node)
{
    [Fact]
    public async Task It_reaches_its_home_and_the_API_server_and_no_pod_and_no_Service()
    {
        await using LaptopNamespaces laptop = await LaptopNamespaces.UpAsync(node.State, "dev", detached: false, CancellationToken.None);
        using var stop = new CancellationTokenSource();
        IReadOnlyList<Socket> api = node.Node.OpenApiSockets();
        Task[] answering = [.. api.Select(socket => AnswerAsync(socket, stop.Token))];
        string pod = node.Cluster.Report(node.Shell)!.PodAddresses[0].ToString();

        await NodeFixture.EventuallyAsync(async () => await RunAsync(laptop, "dig +short +time=1 +tries=1 printer.home.example") == "192.168.1.20\n");
        Assert.Equal("a page at home\n", await RunAsync(laptop, "curl -sS -m 20 http://printer.home.example/"));
        Assert.Equal("a page at home\n", await RunAsync(laptop, "curl -sS -m 20 http://www.internet.example/"));
        Assert.Equal("api\n", await RunAsync(laptop, "socat -t 20 - TCP:203.0.113.10:6443,connect-timeout=20"));
        Assert.Equal("api\n", await RunAsync(laptop, "socat -t 20 - TCP6:[2001:db8:203::10]:6443,connect-timeout=20"));
        Assert.Contains("NXDOMAIN", await RunAsync(laptop, "dig kube-dns.kube-system.svc.cluster.local"), StringComparison.Ordinal);
        foreach (string target in (string[])[pod, "10.96.0.10", "172.18.0.2", "198.51.100.10"])
            Assert.NotEqual("", await RunAsync(laptop, $"timeout 3 socat -t 0 - TCP:{target}:53,connect-timeout=2 || echo unreachable"));
        Assert.Contains("unreachable", await RunAsync(laptop, $"ip route get {pod} >/dev/null && ping -c 1 -W 1 {pod} || echo unreachable"), StringComparison.Ordinal);

        await stop.CancelAsync();
        foreach (Socket socket in api)
            socket.Dispose();
        await Task.WhenAll(answering);
    }

    [Fact]
    public async Task Its_files_are_its_own()
    {
        await using LaptopNamespaces laptop = await LaptopNamespaces.UpAsync(node.State, "files", detached: false, CancellationToken.None);
        string before = File.ReadAllText("/etc/resolv.conf");
        Assert.Equal("nameserver 192.168.1.1\nsearch home.example\n", await RunAsync(laptop, "cat /etc/resolv.conf"));
        Assert.Equal("changed\n", await RunAsync(laptop, "echo changed >/etc/resolv.conf.new; mv /etc/resolv.conf.new /etc/resolv.conf; cat /etc/resolv.conf; touch /run/telepresence/x /var/lib/telepresence/x"));
        Assert.Equal(before, File.ReadAllText("/etc/resolv.conf"));
        Assert.False(Path.Exists("/var/lib/telepresence/x"));
        Assert.Equal("eth0\nlo\n", await RunAsync(laptop, "ls /sys/class/net"));
    }

    [Fact]
    public async Task A_detached_one_is_found_and_ended_by_name()
    {
        LaptopNamespaces laptop = await LaptopNamespaces.UpAsync(node.State, "other", detached: true, CancellationToken.None);
        Commands.Result result = await RunAsync(LaptopNamespaces.Enter(node.State, "other", "/", ["hostname"]));
        Assert.Equal("laptop\n", result.Output);
        await LaptopNamespaces.DownAsync(node.State, "other", CancellationToken.None);
        Assert.False(Directory.Exists($"/proc/{laptop.Pid}"));
        Assert.Throws<NodeException>(() => LaptopNamespaces.Enter(node.State, "other", "/", ["hostname"]));
    }

    private static async Task AnswerAsync(Socket listener, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                using Socket socket = await listener.AcceptAsync(stop);
                try
                {
                    await socket.SendAsync(Encoding.ASCII.GetBytes("api\n"), stop);
                    socket.Shutdown(SocketShutdown.Both);
                }
                catch (SocketException)
                {
                    // This caller has gone; others come.
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private static async Task<string> RunAsync(LaptopNamespaces laptop, string command)
    {
        Commands.Result result = await RunAsync(laptop.Enter("/", ["sh", "-c", command]));
        return result.Output + result.Error;
    }

    private static Task<Commands.Result> RunAsync(string[] line) => Commands.RunAsync(line[0], line[1..]);
}
