using System.Net;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>ClusterIPs: NAT in the node's namespace, as pods see it.</summary>
[Collection(nameof(NodeCollection))]
public sealed class NodeServiceTests(NodeFixture node)
{
    [Fact]
    public async Task Nginx_answers_through_its_ClusterIPs_and_its_names()
    {
        PodKey pod = node.Start("default", "web", """{ "containers": [ { "name": "web", "image": "nginx" } ] }""");
        PodReport report = await node.RunningAsync(pod);
        await ServeAsync("web", ["10.96.1.1", "fd00:10:96::101"], [new("http", "TCP", 80)], NodeFixture.Endpoints(report, ("http", 80)));
        foreach (string url in (string[])["http://10.96.1.1/", "http://[fd00:10:96::101]/", "http://web.default/", "http://web.default.svc.cluster.local/"])
            Assert.Contains("Welcome to nginx!", await node.ShAsync($"curl -sS -m 20 '{url}'"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Udp_and_tcp_of_both_families_reach_a_port_other_than_the_Services()
    {
        PodReport report = await node.RunningAsync(Echo("echo-a"));
        await ServeAsync("echo", ["10.96.1.2", "fd00:10:96::102"], [new("tcp", "TCP", 1007), new("udp", "UDP", 1008)],
            NodeFixture.Endpoints(report, ("tcp", 7), ("udp", 7)));
        foreach (string target in (string[])["TCP:10.96.1.2:1007", "TCP6:[fd00:10:96::102]:1007", "UDP:10.96.1.2:1008", "UDP6:[fd00:10:96::102]:1008"])
            Assert.Equal("hello", await node.ShAsync($"echo -n hello | timeout 20 socat -t 20 - '{target},readbytes=5'"));
    }

    [Fact]
    public async Task Connections_are_spread_over_the_ready_endpoints_and_no_other()
    {
        EndpointView[] ready = [];
        foreach (string name in (string[])["spread-a", "spread-b", "spread-c"])
            ready = [.. ready, .. NodeFixture.Endpoints(await node.RunningAsync(Httpd(name)), ("", 80))];
        EndpointView[] endpoints = [.. ready[..4], .. ready[4..].Select(endpoint => endpoint with { Ready = false })];
        await ServeAsync("spread", ["10.96.1.3"], [new("", "TCP", 80)], endpoints);
        string names = await node.ShAsync("for i in $(seq 40); do curl -sS -m 20 http://10.96.1.3/hostname; done | sort | uniq -c");
        Assert.Contains("spread-a", names, StringComparison.Ordinal);
        Assert.Contains("spread-b", names, StringComparison.Ordinal);
        Assert.DoesNotContain("spread-c", names, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pod_reaches_itself_through_its_own_Service()
    {
        PodKey pod = Httpd("hairpin");
        PodReport report = await node.RunningAsync(pod);
        await ServeAsync("hairpin", ["10.96.1.4", "fd00:10:96::104"], [new("", "TCP", 80)], NodeFixture.Endpoints(report, ("", 80)));
        Assert.Equal("hairpin\n", await node.ShAsync("curl -sS -m 20 http://10.96.1.4/hostname", pod));
        Assert.Equal("hairpin\n", await node.ShAsync("curl -sS -m 20 'http://[fd00:10:96::104]/hostname'", pod));
    }

    [Fact]
    public async Task Without_endpoints_a_connection_is_refused_at_once()
    {
        await ServeAsync("empty", ["10.96.1.5", "fd00:10:96::105"], [new("", "TCP", 80)], []);
        Assert.Contains("Connection refused", await node.ShAsync("timeout 5 socat - TCP:10.96.1.5:80,connect-timeout=3"), StringComparison.Ordinal);
        Assert.Contains("Connection refused", await node.ShAsync("timeout 5 socat - 'TCP6:[fd00:10:96::105]:80,connect-timeout=3'"), StringComparison.Ordinal);
        Assert.Contains("Connection refused", await node.ShAsync("echo x | timeout 5 socat -t 2 - UDP:10.96.1.5:99"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_udp_flow_that_goes_on_moves_when_its_endpoint_is_replaced()
    {
        PodReport first = await node.RunningAsync(Echo("move-a"));
        PodReport second = await node.RunningAsync(Echo("move-b"));
        await ServeAsync("move", ["10.96.1.6"], [new("", "UDP", 7)], NodeFixture.Endpoints(first, ("", 7)));
        // One client port throughout, so that only a flush of the old translation lets it move.
        const string ask = "echo -n x | timeout 20 socat -t 20 - UDP:10.96.1.6:7,sourceport=5555,reuseaddr,readbytes=1";
        Assert.Equal("x", await node.ShAsync(ask));
        await ServeAsync("move", ["10.96.1.6"], [new("", "UDP", 7)], NodeFixture.Endpoints(second, ("", 7)));

        // The flush follows the new rules; what is asked before it still goes to the first, and keeps that flow alive.
        await NodeFixture.EventuallyAsync(async () =>
        {
            Assert.Equal("x", await node.ShAsync(ask));
            string flows = (await node.Node.ControlAsync("conntrack", [], CancellationToken.None))!.GetValue<string>();
            string[] own = [.. flows.Split('\n').Where(line => line.Contains("sport=5555", StringComparison.Ordinal))];
            return !own.Any(line => line.Contains($"src={first.PodAddresses[0]} ", StringComparison.Ordinal))
                && own.Any(line => line.Contains($"src={second.PodAddresses[0]} ", StringComparison.Ordinal));
        });
    }

    [Fact]
    public async Task The_outside_sees_the_clusters_egress_address_and_serves_known_bytes()
    {
        Assert.Equal("198.51.100.2\n", await node.ShAsync("curl -sS -m 20 http://v4only.example.com/ip"));
        Assert.Equal("2001:db8:51::2\n", await node.ShAsync("curl -sS -m 20 http://v6only.example.com/ip"));
        string sum = await node.ShAsync("curl -sS -m 20 http://www.example.com/bytes/20000000 | sha256sum");
        Assert.Equal(DeterministicBytes.Sha256(20_000_000), sum.Split(' ')[0]);
        Assert.Equal("PONG\n", await node.ShAsync("redis-cli -h db.cloud.example.com ping"));
    }

    [Fact]
    public async Task Pods_reach_each_other_directly_and_a_port_forward_reaches_loopback()
    {
        PodKey pod = node.Start("default", "loop", """
            { "containers": [ { "name": "c", "image": "practice/httpd",
              "command": ["socat", "TCP-LISTEN:8099,bind=127.0.0.1,fork,reuseaddr", "SYSTEM:echo loopback"] } ] }
            """);
        PodReport report = await node.RunningAsync(pod);
        Assert.Contains("0% packet loss", await node.ShAsync($"ping -c 1 -W 20 {report.PodAddresses[0]}"), StringComparison.Ordinal);
        Assert.Contains("0% packet loss", await node.ShAsync($"ping -c 1 -W 20 {report.PodAddresses[1]}"), StringComparison.Ordinal);
        Assert.Contains("refused", await node.ShAsync($"socat - TCP:{report.PodAddresses[0]}:8099"), StringComparison.Ordinal);
        string answer = "";
        await NodeFixture.EventuallyAsync(async () =>
        {
            try
            {
                using System.Net.Sockets.Socket socket = await node.Node.DialPodAsync(pod, 8099, CancellationToken.None);
                using var reader = new StreamReader(new System.Net.Sockets.NetworkStream(socket));
                answer = await reader.ReadToEndAsync();
                return true;
            }
            catch (System.Net.Sockets.SocketException)
            {
                return false;
            }
        });
        Assert.Equal("loopback\n", answer);
    }

    private PodKey Echo(string name) => node.Start("default", name, """
        { "containers": [ { "name": "echo", "image": "practice/echo", "readinessProbe": { "tcpSocket": { "port": 7 }, "periodSeconds": 1 } } ] }
        """);

    private PodKey Httpd(string name) => node.Start("default", name, """
        { "containers": [ { "name": "httpd", "image": "practice/httpd", "readinessProbe": { "httpGet": { "port": 80 }, "periodSeconds": 1 } } ] }
        """);

    /// <summary>Serves it and waits until the name server knows the change, which follows the NAT rules' request.</summary>
    private async Task ServeAsync(string name, string[] addresses, ServicePortView[] ports, EndpointView[] endpoints)
    {
        node.Serve(new ServiceView("default", name, ServiceKind.ClusterIP, [.. addresses.Select(IPAddress.Parse)], null, ports, endpoints, false, null));
        string[] expected = [.. endpoints.Where(e => e.Ready && addresses.Any(a => IPAddress.Parse(a).AddressFamily == e.Address.AddressFamily))
            .Select(e => e.Address.ToString())];
        await NodeFixture.EventuallyAsync(async () =>
        {
            string rules = (await node.Node.ControlAsync("nft", [], CancellationToken.None))!.GetValue<string>();
            return rules.Contains(addresses[0], StringComparison.Ordinal) && expected.All(e => rules.Contains(e, StringComparison.Ordinal))
                && (await node.ShAsync($"dig +short +time=1 +tries=1 {name}.default.svc.cluster.local")).Contains(addresses[0], StringComparison.Ordinal);
        });
    }
}
