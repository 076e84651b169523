namespace Telepresence.Dns.Tests;

public sealed class SearchTests
{
    private const int NoError = 0;
    private const int NxDomain = 3;

    [Fact]
    public void A_single_label_is_tried_with_the_whole_search_list_at_once()
    {
        var bench = new Bench();
        var client = bench.Ask("helloworld");
        Assert.Equal(["helloworld.default.svc.cluster.local A", "helloworld.svc.cluster.local A", "helloworld.cluster.local A"], bench.ClusterQuestions);
        bench.Cluster("helloworld.default.svc.cluster.local A", NoError, "helloworld.default.svc.cluster.local 30 A 10.96.0.7");
        bench.ExpectRecords(client, "helloworld 30 CNAME helloworld.default.svc.cluster.local", "helloworld.default.svc.cluster.local 30 A 10.96.0.7");
        Assert.Empty(bench.LocalQuestions);
    }

    [Fact]
    public void The_first_suffix_wins_even_if_it_answers_last()
    {
        var bench = new Bench();
        var client = bench.Ask("a");
        bench.Cluster("a.cluster.local A", NoError, "a.cluster.local 30 A 10.0.0.3");
        bench.Cluster("a.svc.cluster.local A", NoError, "a.svc.cluster.local 30 A 10.0.0.2");
        bench.ExpectNoReply();
        bench.Cluster("a.default.svc.cluster.local A", NxDomain);
        bench.ExpectRecords(client, "a 30 CNAME a.svc.cluster.local", "a.svc.cluster.local 30 A 10.0.0.2");
    }

    [Fact]
    public void A_reply_keeps_the_clients_identifier_and_letter_case()
    {
        var bench = new Bench();
        var client = bench.Ask(Message.Query("HelloWorld", id: 0xBEEF));
        bench.Cluster("helloworld.default.svc.cluster.local A", NoError, "helloworld.default.svc.cluster.local 30 A 10.96.0.7");
        var reply = bench.ExpectReply(client, out var origin);
        Assert.Equal(0xBEEF, Message.Id(reply));
        Assert.Equal("HelloWorld A", Message.Question(reply));
        Assert.Equal("HelloWorld 30 CNAME helloworld.default.svc.cluster.local", Message.Records(reply)[0]);
        Assert.Equal(DnsOrigin.Cluster, origin);
    }

    [Fact]
    public void A_single_label_that_the_cluster_does_not_know_is_asked_locally()
    {
        var bench = new Bench();
        var client = bench.Ask("printer");
        bench.Cluster("printer.default.svc.cluster.local A", NxDomain);
        bench.Cluster("printer.svc.cluster.local A", NxDomain);
        Assert.Empty(bench.LocalQuestions);
        bench.Cluster("printer.cluster.local A", NxDomain);
        bench.Local("printer A", NoError, "printer 60 A 192.168.1.9");
        bench.ExpectRecords(client, "printer 60 A 192.168.1.9");
    }

    [Fact]
    public void A_service_without_the_other_address_kind_has_no_data_and_is_not_looked_for_elsewhere()
    {
        var bench = new Bench();
        var client = bench.Ask("helloworld", "AAAA");
        bench.Cluster("helloworld.default.svc.cluster.local AAAA", NoError);
        bench.ExpectNoReply();
        bench.Cluster("helloworld.default.svc.cluster.local A", NoError, "helloworld.default.svc.cluster.local 30 A 10.96.0.7");
        var reply = bench.ExpectReply(client);
        Assert.Equal(NoError, Message.Rcode(reply));
        Assert.DoesNotContain(Message.Records(reply), record => record.Contains("AAAA", StringComparison.Ordinal));
        Assert.Empty(bench.LocalQuestions);
    }

    [Fact]
    public void An_empty_name_in_the_cluster_does_not_hide_a_local_host()
    {
        var bench = new Bench();
        var client = bench.Ask("default");
        bench.Cluster("default.default.svc.cluster.local A", NxDomain);
        bench.Cluster("default.svc.cluster.local A", NoError); // a namespace: the name exists, without any record
        bench.Cluster("default.svc.cluster.local AAAA", NoError);
        bench.Cluster("default.cluster.local A", NxDomain);
        bench.Local("default A", NoError, "default 60 A 192.168.1.9");
        bench.ExpectRecords(client, "default 60 A 192.168.1.9");
    }

    [Fact]
    public void No_data_outweighs_no_such_name_when_nothing_is_found()
    {
        var bench = new Bench();
        var client = bench.Ask("default");
        bench.Cluster("default.default.svc.cluster.local A", NxDomain);
        bench.Cluster("default.svc.cluster.local A", NoError);
        bench.Cluster("default.svc.cluster.local AAAA", NoError);
        bench.Cluster("default.cluster.local A", NxDomain);
        bench.Local("default A", NxDomain);
        bench.ExpectRcode(client, NoError);
    }

    [Fact]
    public void A_name_that_nobody_knows_gets_the_local_servers_own_words()
    {
        var bench = new Bench();
        var client = bench.Ask("nobody");
        foreach (var question in bench.ClusterQuestions.ToList()) bench.Cluster(question, NxDomain);
        bench.Local("nobody A", NxDomain, "--", ". 900 SOA 900");
        var reply = bench.ExpectReply(client);
        Assert.Equal(NxDomain, Message.Rcode(reply));
        Assert.Single(Message.Records(reply));
    }

    [Fact]
    public void Svc_names_are_completed_in_the_cluster_only()
    {
        var bench = new Bench();
        var client = bench.Ask("helloworld.other.svc");
        bench.Cluster("helloworld.other.svc.default.svc.cluster.local A", NxDomain);
        bench.Cluster("helloworld.other.svc.svc.cluster.local A", NxDomain);
        bench.Cluster("helloworld.other.svc.cluster.local A", NoError, "helloworld.other.svc.cluster.local 30 A 10.96.0.8");
        bench.ExpectRecords(client, "helloworld.other.svc 30 CNAME helloworld.other.svc.cluster.local", "helloworld.other.svc.cluster.local 30 A 10.96.0.8");
        Assert.Empty(bench.LocalQuestions);
    }

    [Fact]
    public void Name_and_namespace_are_found_after_local_servers_deny_them()
    {
        var bench = new Bench();
        var client = bench.Ask("helloworld.other");
        Assert.Empty(bench.ClusterQuestions);
        bench.Local("helloworld.other A", NxDomain);
        bench.Cluster("helloworld.other.default.svc.cluster.local A", NxDomain);
        bench.Cluster("helloworld.other.svc.cluster.local A", NoError, "helloworld.other.svc.cluster.local 30 A 10.96.0.8");
        bench.ExpectRecords(client, "helloworld.other 30 CNAME helloworld.other.svc.cluster.local", "helloworld.other.svc.cluster.local 30 A 10.96.0.8");
    }

    [Fact]
    public void Srv_records_come_with_names_that_still_point_right()
    {
        var bench = new Bench();
        var client = bench.Ask("_http._tcp.helloworld.default.svc", "SRV");
        const string full = "_http._tcp.helloworld.default.svc.cluster.local";
        bench.Cluster(full.Replace("svc.cluster", "svc.default.svc.cluster", StringComparison.Ordinal) + " SRV", NxDomain);
        bench.Cluster(full.Replace("svc.cluster", "svc.svc.cluster", StringComparison.Ordinal) + " SRV", NxDomain);
        bench.Cluster(full + " SRV", NoError, full + " 30 SRV 80 helloworld.default.svc.cluster.local", "--", "cluster.local 30 NS ns.dns.cluster.local");
        bench.ExpectRecords(
            client,
            $"_http._tcp.helloworld.default.svc 30 CNAME {full}",
            $"{full} 30 SRV 80 helloworld.default.svc.cluster.local",
            "cluster.local 30 NS ns.dns.cluster.local");
    }

    [Fact]
    public void A_found_alias_is_followed_by_its_own_chain()
    {
        var bench = new Bench();
        var client = bench.Ask("ext");
        bench.Cluster(
            "ext.default.svc.cluster.local A",
            NoError,
            "ext.default.svc.cluster.local 30 CNAME db.cloud.example.com",
            "db.cloud.example.com 20 A 172.20.0.4");
        bench.ExpectRecords(
            client,
            "ext 20 CNAME ext.default.svc.cluster.local",
            "ext.default.svc.cluster.local 30 CNAME db.cloud.example.com",
            "db.cloud.example.com 20 A 172.20.0.4");
    }

    [Fact]
    public void A_mapped_name_is_an_alias_of_its_target()
    {
        var bench = new Bench(Bench.PodRules with { Mappings = new Dictionary<string, string> { ["db.test"] = "mysql.default.svc.cluster.local" } });
        var client = bench.Ask("db.test");
        bench.Cluster("mysql.default.svc.cluster.local A", NoError, "mysql.default.svc.cluster.local 30 A 10.96.0.9");
        bench.ExpectRecords(client, "db.test 30 CNAME mysql.default.svc.cluster.local", "mysql.default.svc.cluster.local 30 A 10.96.0.9");
    }

    [Fact]
    public void A_name_that_a_suffix_would_make_too_long_is_tried_without_it()
    {
        var bench = new Bench();
        var label = new string('x', 60);
        var name = $"{label}.{label}.{label}.{label[..50]}"; // 234 characters: with default.svc.cluster.local more than 255 bytes
        var client = bench.Ask(name);
        bench.Local(name + " A", NxDomain);
        Assert.Equal([$"{name}.svc.cluster.local A", $"{name}.cluster.local A", $"{name} A"], bench.ClusterQuestions);
        foreach (var question in bench.ClusterQuestions.ToList()) bench.Cluster(question, NxDomain);
        bench.ExpectRcode(client, NxDomain);
    }
}
