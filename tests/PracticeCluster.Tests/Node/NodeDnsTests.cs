using System.Net;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>The cluster's name server, asked with dig from a pod.</summary>
[Collection(nameof(NodeCollection))]
public sealed class NodeDnsTests(NodeFixture node)
{
    [Fact]
    public async Task A_Service_has_A_AAAA_SRV_and_PTR_records()
    {
        await ServeAsync(new ServiceView("shop", "cart", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.2.1"), IPAddress.Parse("fd00:10:96::201")],
            null, [new("http", "TCP", 8080), new("stats", "UDP", 8125)], [], false, null));
        Assert.Equal("10.96.2.1\n", await Dig("cart.shop.svc.cluster.local A +short"));
        Assert.Equal("fd00:10:96::201\n", await Dig("cart.shop.svc.cluster.local AAAA +short"));
        Assert.Equal("0 100 8080 cart.shop.svc.cluster.local.\n", await Dig("_http._tcp.cart.shop.svc.cluster.local SRV +short"));
        Assert.Equal("0 100 8125 cart.shop.svc.cluster.local.\n", await Dig("_stats._udp.cart.shop.svc.cluster.local SRV +short"));
        Assert.Equal("cart.shop.svc.cluster.local.\n", await Dig("-x 10.96.2.1 +short"));
        Assert.Equal("cart.shop.svc.cluster.local.\n", await Dig("-x fd00:10:96::201 +short"));
    }

    [Fact]
    public async Task A_name_without_that_type_is_not_an_unknown_name()
    {
        await ServeAsync(new ServiceView("shop", "four", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.2.2")], null, [new("", "TCP", 80)], [], false, null));
        Assert.Contains("status: NOERROR", await Dig("four.shop.svc.cluster.local AAAA"), StringComparison.Ordinal);
        Assert.Contains("ANSWER: 0", await Dig("four.shop.svc.cluster.local AAAA"), StringComparison.Ordinal);
        Assert.Contains("status: NOERROR", await Dig("shop.svc.cluster.local A"), StringComparison.Ordinal);
        Assert.Contains("status: NXDOMAIN", await Dig("five.shop.svc.cluster.local A"), StringComparison.Ordinal);
        Assert.Contains("SOA", await Dig("five.shop.svc.cluster.local A"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_headless_Service_names_its_ready_endpoints()
    {
        EndpointView[] endpoints =
        [
            new(IPAddress.Parse("10.244.200.1"), true, "node-0", "node-0", new Dictionary<string, int> { ["gossip"] = 7000 }),
            new(IPAddress.Parse("10.244.200.2"), true, null, "node-1", new Dictionary<string, int> { ["gossip"] = 7001 }),
            new(IPAddress.Parse("10.244.200.3"), false, "node-2", "node-2", new Dictionary<string, int> { ["gossip"] = 7002 }),
        ];
        await ServeAsync(new ServiceView("shop", "ring", ServiceKind.Headless, [], null, [new("gossip", "TCP", 7000)], endpoints, false, null));
        Assert.Equal(["10.244.200.1", "10.244.200.2"], Lines(await Dig("ring.shop.svc.cluster.local A +short")));
        Assert.Equal("10.244.200.1\n", await Dig("node-0.ring.shop.svc.cluster.local A +short"));
        Assert.Equal(
            ["0 100 7000 node-0.ring.shop.svc.cluster.local.", "0 100 7001 10-244-200-2.ring.shop.svc.cluster.local."],
            Lines(await Dig("_gossip._tcp.ring.shop.svc.cluster.local SRV +short")));
        Assert.Equal("node-0.ring.shop.svc.cluster.local.\n", await Dig("-x 10.244.200.1 +short"));
        Assert.Contains("NXDOMAIN", await Dig("node-2.ring.shop.svc.cluster.local A"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_ExternalName_is_a_CNAME_that_is_followed_outside()
    {
        await ServeAsync(new ServiceView("shop", "longer-than-database", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.2.30")], null, [new("", "TCP", 80)], [], false, null));
        await ServeAsync(new ServiceView("shop", "database", ServiceKind.ExternalName, [], "db.cloud.example.com", [], [], false, null));
        Assert.Equal("db.cloud.example.com.\n198.51.100.10\n", await Dig("database.shop.svc.cluster.local A +short"));
        Assert.Equal("10.96.2.30\n", await Dig("longer-than-database.shop.svc.cluster.local A +short"));
    }

    [Fact]
    public async Task A_deleted_Service_is_unknown_again_and_a_changed_one_has_only_its_new_address()
    {
        var service = new ServiceView("shop", "brief", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.2.9")], null, [new("", "TCP", 80)], [], false, null);
        await ServeAsync(service);
        await ServeAsync(service with { ClusterAddresses = [IPAddress.Parse("10.96.2.10")] });
        await NodeFixture.EventuallyAsync(async () => await Dig("brief.shop.svc.cluster.local +short") == "10.96.2.10\n");
        await ServeAsync(service with { Kind = ServiceKind.ExternalName, ClusterAddresses = [], ExternalName = "www.example.com" });
        await NodeFixture.EventuallyAsync(async () => (await Dig("brief.shop.svc.cluster.local +short")).StartsWith("www.example.com.", StringComparison.Ordinal));
        node.Withdraw("shop", "brief");
        await NodeFixture.EventuallyAsync(async () => (await Dig("brief.shop.svc.cluster.local A")).Contains("NXDOMAIN", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_pod_has_a_name_made_of_its_address()
    {
        string address = node.Cluster.Report(node.Shell)!.PodAddresses[0].ToString();
        Assert.Equal(address + "\n", await Dig($"{address.Replace('.', '-')}.default.pod.cluster.local +short"));
    }

    [Fact]
    public async Task Other_names_are_asked_of_the_outside()
    {
        Assert.Equal("198.51.100.10\n", await Dig("db.cloud.example.com A +short"));
        Assert.Equal("2001:db8:51::10\n", await Dig("db.cloud.example.com AAAA +short"));
        Assert.Equal("\"engine=redis\" \"tier=practice\"\n", await Dig("db.cloud.example.com TXT +short"));
        Assert.Equal("10 mail.cloud.example.com.\n", await Dig("cloud.example.com MX +short"));
        Assert.Equal("10 100 6379 db.cloud.example.com.\n", await Dig("_redis._tcp.cloud.example.com SRV +short"));
        Assert.Equal("db.cloud.example.com.\n", await Dig("-x 198.51.100.10 +short"));
        Assert.Contains("NXDOMAIN", await Dig("nowhere.example.com"), StringComparison.Ordinal);
        Assert.Equal(60, Lines(await Dig("many.example.com A +short +tcp")).Length);
        Assert.Contains("tc", (await Dig("many.example.com A +ignore +noedns")).Split('\n').First(line => line.Contains("flags:", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_are_served_again_after_the_name_server_has_crashed()
    {
        await ServeAsync(new ServiceView("shop", "steady", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.2.20")], null, [new("", "TCP", 80)], [], false, null));
        Assert.True(node.Node.KillContainer(node.Dns, null));
        await node.Cluster.WaitAsync(node.Dns, report => report.Containers[0].RestartCount >= 1 && report.Containers[0].Ready);
        await ServeAsync(new ServiceView("shop", "later", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.2.21")], null, [new("", "TCP", 80)], [], false, null));
        Assert.Equal("10.96.2.20\n", await Dig("steady.shop.svc.cluster.local +short"));
        Assert.Equal("10.96.2.21\n", await Dig("later.shop.svc.cluster.local +short"));
    }

    private static string[] Lines(string text) => [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];

    private Task<string> Dig(string arguments) => node.ShAsync($"dig +tries=3 +time=10 {arguments}");

    private async Task ServeAsync(ServiceView service)
    {
        node.Serve(service);
        await NodeFixture.EventuallyAsync(async () =>
            (await Dig($"{service.Name}.{service.Namespace}.svc.cluster.local ANY")).Contains("status: NOERROR", StringComparison.Ordinal));
    }
}
