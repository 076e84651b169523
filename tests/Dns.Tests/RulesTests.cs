using System.Net;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns.Tests;

public sealed class RulesTests
{
    private static readonly DnsRulesOptions Pod = Bench.PodRules;

    private static DnsDecision Decide(DnsRulesOptions options, string name) => new DnsRules(options).Decide(DnsName.Parse(name));

    [Theory]
    [InlineData("helloworld.default.svc.cluster.local", DnsRoute.Cluster)]
    [InlineData("cluster.local", DnsRoute.Cluster)]
    [InlineData("helloworld", DnsRoute.SearchThenLocal)]
    [InlineData("helloworld.default.svc", DnsRoute.Search)]
    [InlineData("helloworld.default", DnsRoute.LocalThenCluster)]
    [InlineData("www.example.com", DnsRoute.LocalThenCluster)]
    [InlineData("printer.local", DnsRoute.LocalThenCluster)]
    [InlineData("notcluster.local", DnsRoute.LocalThenCluster)]
    [InlineData("localhost", DnsRoute.Loopback)]
    [InlineData("app.localhost", DnsRoute.Loopback)]
    [InlineData("wpad", DnsRoute.Local)]
    [InlineData("wpad.example.com", DnsRoute.Local)]
    [InlineData("wpad.default.svc.cluster.local", DnsRoute.NoSuchName)]
    [InlineData("", DnsRoute.Local)]
    public void Names_go_where_they_most_likely_live(string name, DnsRoute route) => Assert.Equal(route, Decide(Pod, name).Route);

    [Fact]
    public void The_clusters_domain_is_the_one_of_the_pod()
    {
        var rules = Pod with { ClusterDomain = "corp.internal", Search = ["ns.svc.corp.internal", "svc.corp.internal", "corp.internal"] };
        Assert.Equal(DnsRoute.Cluster, Decide(rules, "a.ns.svc.corp.internal").Route);
        Assert.Equal(DnsRoute.LocalThenCluster, Decide(rules, "a.ns.svc.cluster.local").Route);
    }

    [Fact]
    public void A_known_namespace_beats_a_top_level_domain_of_the_same_name()
    {
        Assert.Equal(DnsRoute.LocalThenCluster, Decide(Pod, "redis.dev").Route);
        Assert.Equal(DnsRoute.SearchThenLocal, Decide(Pod with { Namespaces = ["dev"] }, "redis.dev").Route);
    }

    [Fact]
    public void Names_with_ndots_dots_are_not_tried_with_the_search_list()
    {
        Assert.True(Decide(Pod, "a.b.c.d.e").UseSearch);
        Assert.False(Decide(Pod, "a.b.c.d.e.f").UseSearch);
        Assert.False(Decide(Pod with { Ndots = 1 }, "a.b").UseSearch);
    }

    [Fact]
    public void Extra_suffixes_are_asked_in_the_cluster_first()
    {
        var rules = Pod with { ClusterSuffixes = [".internal.example.com"] };
        Assert.Equal(DnsRoute.ClusterThenLocal, Decide(rules, "db.internal.example.com").Route);
        Assert.Equal(DnsRoute.LocalThenCluster, Decide(rules, "dbinternal.example.com").Route);
    }

    [Fact]
    public void Excluded_names_stay_local_however_a_stub_spells_them()
    {
        var rules = Pod with { Excludes = ["registry", "example.org"], Mappings = new Dictionary<string, string> { ["registry"] = "a.b" } };
        Assert.Equal(DnsRoute.Local, Decide(rules, "registry").Route);
        Assert.Equal(DnsRoute.Local, Decide(rules, "www.example.org").Route);
        Assert.Equal(DnsRoute.NoSuchName, Decide(rules, "registry.default.svc.cluster.local").Route);
        Assert.Equal(DnsRoute.Cluster, Decide(rules, "registry2.default.svc.cluster.local").Route);
    }

    [Fact]
    public void A_mapping_stands_for_its_target()
    {
        var rules = Pod with { Mappings = new Dictionary<string, string> { ["db.test"] = "mysql.default.svc.cluster.local" } };
        var decision = Decide(rules, "db.test");
        Assert.Equal(DnsRoute.Cluster, decision.Route);
        Assert.Equal("mysql.default.svc.cluster.local", DnsName.ToText(decision.Target));
    }

    [Fact]
    public void Everything_means_cluster_first()
    {
        var rules = Pod with { Everything = true, Excludes = ["corp"] };
        Assert.Equal(DnsRoute.ClusterThenLocal, Decide(rules, "www.example.com").Route);
        Assert.Equal(DnsRoute.Local, Decide(rules, "www.corp").Route);
    }

    [Fact]
    public void Names_that_the_machines_own_search_list_made_are_not_expanded_again()
    {
        var rules = Pod with { LocalSearch = ["corp.example"] };
        Assert.Equal(new DnsDecision(DnsRoute.LocalThenCluster, false), Decide(rules, "db.corp.example"));
        Assert.Equal(DnsRoute.Local, Decide(rules, "a.default.svc.cluster.local.corp.example").Route);
        Assert.Equal(DnsRoute.Local, Decide(rules, "a.default.svc.corp.example").Route);
        Assert.True(Decide(rules, "corp.example").UseSearch);
    }

    [Fact]
    public void Reverse_zones_of_routed_subnets_go_to_the_cluster()
    {
        var rules = Pod with { ReverseZones = ReverseZones.ForSubnet(IPNetwork.Parse("10.96.0.0/12")) };
        Assert.Equal(DnsRoute.Cluster, Decide(rules, "1.0.96.10.in-addr.arpa").Route);
        Assert.Equal(DnsRoute.Cluster, Decide(rules, "1.0.111.10.in-addr.arpa").Route);
        Assert.Equal(DnsRoute.LocalThenCluster, Decide(rules, "1.0.112.10.in-addr.arpa").Route);
    }

    [Theory]
    [InlineData("10.96.0.0/12", 16, "96.10.in-addr.arpa", "111.10.in-addr.arpa")]
    [InlineData("10.0.0.0/8", 1, "10.in-addr.arpa", "10.in-addr.arpa")]
    [InlineData("192.0.2.7/32", 1, "7.2.0.192.in-addr.arpa", "7.2.0.192.in-addr.arpa")]
    [InlineData("0.0.0.0/0", 1, "in-addr.arpa", "in-addr.arpa")]
    [InlineData("fd00:10:96::/46", 4, "4.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa", "7.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa")]
    public void Reverse_zones_cover_their_subnet(string subnet, int count, string first, string last)
    {
        // Host bits beyond the prefix are not allowed in IPNetwork.
        var zones = ReverseZones.ForSubnet(subnet.StartsWith("fd00", StringComparison.Ordinal) ? IPNetwork.Parse("fd00:10:94::/46") : IPNetwork.Parse(subnet));
        Assert.Equal(count, zones.Count);
        Assert.Equal(first, zones[0]);
        Assert.Equal(last, zones[^1]);
    }

    [Fact]
    public void An_impossible_name_is_a_clear_error()
    {
        var error = Assert.Throws<FormatException>(() => new DnsRules(Pod with { ClusterSuffixes = ["a..b"] }));
        Assert.Contains("a..b", error.Message, StringComparison.Ordinal);
    }
}
