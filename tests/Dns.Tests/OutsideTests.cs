namespace Telepresence.Dns.Tests;

public sealed class OutsideTests
{
    private const int NoError = 0;
    private const int ServFail = 2;
    private const int NxDomain = 3;

    [Fact]
    public void What_local_servers_know_is_never_shown_to_the_cluster()
    {
        var bench = new Bench();
        var client = bench.Ask("www.example.com");
        bench.Local("www.example.com A", NoError, "www.example.com 300 A 192.0.2.1");
        var reply = bench.ExpectReply(client, out var origin);
        Assert.Equal(["www.example.com 300 A 192.0.2.1"], Message.Records(reply));
        Assert.Equal(DnsOrigin.Local, origin);
        Assert.Empty(bench.ClusterQuestions);
    }

    [Fact]
    public void A_cloud_database_that_only_the_cluster_knows_is_found()
    {
        var bench = new Bench();
        var client = bench.Ask("db.cloud.example.com");
        bench.Local("db.cloud.example.com A", NxDomain);
        bench.Cluster("db.cloud.example.com A", NoError, "db.cloud.example.com 60 A 172.20.0.4");
        bench.ExpectNoReply(); // a search suffix counts before the name as it is, as in the pod
        bench.Cluster("db.cloud.example.com.default.svc.cluster.local A", NxDomain);
        bench.Cluster("db.cloud.example.com.svc.cluster.local A", NxDomain);
        bench.Cluster("db.cloud.example.com.cluster.local A", NxDomain);
        var reply = bench.ExpectReply(client, out var origin);
        Assert.Equal(["db.cloud.example.com 60 A 172.20.0.4"], Message.Records(reply));
        Assert.Equal(DnsOrigin.Outside, origin);
    }

    [Fact]
    public void A_public_alias_that_leads_nowhere_is_asked_in_the_cluster()
    {
        var bench = new Bench(new DnsRulesOptions());
        var client = bench.Ask("db.example.com");
        bench.Local("db.example.com A", NoError, "db.example.com 60 CNAME db.private.example.com");
        bench.Local("db.example.com AAAA", NoError, "db.example.com 60 CNAME db.private.example.com");
        bench.Cluster("db.example.com A", NoError, "db.example.com 60 A 172.20.0.4");
        bench.ExpectRecords(client, "db.example.com 60 A 172.20.0.4");
    }

    [Fact]
    public void An_ipv4_only_site_has_no_ipv6_address_and_the_cluster_is_not_asked_for_one()
    {
        var bench = new Bench();
        var v4 = bench.Ask("www.example.com", "A");
        var v6 = bench.Ask("www.example.com", "AAAA");
        bench.Local("www.example.com AAAA", NoError, "--", "example.com 60 SOA 60");
        bench.ExpectNoReply();
        bench.Local("www.example.com A", NoError, "www.example.com 300 A 192.0.2.1");
        bench.ExpectRecords(v4, "www.example.com 300 A 192.0.2.1");
        var reply = bench.ExpectReply(v6);
        Assert.Equal(NoError, Message.Rcode(reply));
        Assert.Single(Message.Records(reply));
        bench.ExpectNothingAsked();
    }

    [Fact]
    public void No_such_record_of_another_type_is_final()
    {
        var bench = new Bench();
        var client = bench.Ask("www.example.com", "65");
        bench.Local("www.example.com 65", NoError);
        bench.ExpectRcode(client, NoError);
        bench.ExpectNothingAsked();
    }

    [Fact]
    public void Every_record_type_passes()
    {
        var bench = new Bench();
        foreach (var type in new[] { "TXT", "99", "64", "ANY", "65280" })
        {
            var client = bench.Ask("x.default.svc.cluster.local", type);
            bench.Cluster($"x.default.svc.cluster.local {(type == "ANY" ? "255" : type)}", NoError, $"x.default.svc.cluster.local 5 {(type == "ANY" ? "TXT" : type)} 9");
            Assert.Single(Message.Records(bench.ExpectReply(client)));
        }
    }

    [Fact]
    public void Nobody_knowing_it_is_no_such_name()
    {
        var bench = new Bench(new DnsRulesOptions());
        var client = bench.Ask("nothing.example.com");
        bench.Local("nothing.example.com A", NxDomain);
        bench.Cluster("nothing.example.com A", NxDomain);
        bench.ExpectRcode(client, NxDomain);
    }

    [Fact]
    public void A_local_failure_is_not_reported_as_no_such_name()
    {
        var bench = new Bench(new DnsRulesOptions());
        var client = bench.Ask("corp.example.com");
        bench.Local("corp.example.com A", ServFail);
        bench.Cluster("corp.example.com A", NxDomain);
        bench.ExpectRcode(client, ServFail);
    }

    [Fact]
    public void With_everything_the_cluster_is_asked_first_and_local_servers_after_it()
    {
        var bench = new Bench(new DnsRulesOptions { Everything = true });
        var client = bench.Ask("nas.lan");
        Assert.Empty(bench.LocalQuestions);
        bench.Cluster("nas.lan A", NxDomain);
        bench.Local("nas.lan A", NoError, "nas.lan 60 A 192.168.1.4");
        bench.ExpectRecords(client, "nas.lan 60 A 192.168.1.4");
    }

    [Fact]
    public void Localhost_is_this_machine()
    {
        var bench = new Bench();
        bench.ExpectRecords(bench.Ask("localhost"), "localhost 86400 A 127.0.0.1");
        bench.ExpectRecords(bench.Ask("a.LocalHost", "AAAA"), "a.LocalHost 86400 AAAA ::1");
        bench.ExpectRecords(bench.Ask("localhost", "TXT"));
        bench.ExpectNothingAsked();
    }

    [Fact]
    public void Proxy_discovery_is_never_asked_in_the_cluster()
    {
        var bench = new Bench();
        bench.ExpectRcode(bench.Ask("wpad.default.svc.cluster.local"), NxDomain);
        var client = bench.Ask("wpad");
        bench.Local("wpad A", NxDomain);
        bench.ExpectRcode(client, NxDomain);
        Assert.Empty(bench.ClusterQuestions);
    }
}
