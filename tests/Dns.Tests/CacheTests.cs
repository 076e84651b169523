namespace Telepresence.Dns.Tests;

public sealed class CacheTests
{
    private const string Name = "a.default.svc.cluster.local";
    private const int NoError = 0;
    private const int ServFail = 2;
    private const int NxDomain = 3;

    [Fact]
    public void An_answer_is_kept_for_its_ttl_and_counted_down()
    {
        var bench = new Bench();
        bench.Ask(Name);
        bench.Cluster($"{Name} A", NoError, $"{Name} 30 A 10.0.0.1", "--", "cluster.local 40 NS ns.cluster.local");
        bench.Advance(29 * Bench.Second);
        var second = bench.Ask(Name.ToUpperInvariant());
        bench.ExpectReply(new DnsClientToken(0, 0, false));
        var reply = bench.ExpectReply(second);
        Assert.Equal($"{Name.ToUpperInvariant()} 1 A 10.0.0.1", Message.Records(reply)[0]);
        Assert.EndsWith(" 11 NS ns.CLUSTER.LOCAL", Message.Records(reply)[1], StringComparison.Ordinal);
        bench.ExpectNothingAsked();
        Assert.Equal(1, bench.Resolver.Counters.CacheHits);

        bench.Advance(1 * Bench.Second);
        bench.Ask(Name);
        Assert.Single(bench.ClusterQuestions);
    }

    [Fact]
    public void Negative_answers_are_kept_for_the_soa_minimum()
    {
        var bench = new Bench();
        bench.Ask(Name);
        bench.Cluster($"{Name} A", NxDomain, "--", "cluster.local 30 SOA 3");
        bench.Advance(2 * Bench.Second);
        bench.Ask(Name);
        bench.ExpectNothingAsked();
        bench.Advance(1 * Bench.Second);
        bench.Ask(Name);
        Assert.Single(bench.ClusterQuestions);
    }

    [Fact]
    public void Negative_answers_are_not_kept_longer_than_a_developer_waits()
    {
        var bench = new Bench();
        bench.Ask(Name);
        bench.Cluster($"{Name} A", NxDomain, "--", "cluster.local 3600 SOA 3600");
        bench.Advance(5 * Bench.Second);
        bench.Ask(Name);
        Assert.Single(bench.ClusterQuestions);
    }

    [Fact]
    public void Negative_answers_without_soa_errors_and_ttl_zero_are_not_kept()
    {
        var bench = new Bench();
        foreach (var (rcode, record) in new[] { (NxDomain, ""), (ServFail, ""), (NoError, $"{Name} 0 A 10.0.0.1") })
        {
            bench.Ask(Name);
            bench.Cluster($"{Name} A", rcode, record.Length > 0 ? [record] : []);
        }
        bench.Ask(Name);
        Assert.Single(bench.ClusterQuestions);
    }

    [Fact]
    public void Identical_questions_in_flight_are_joined()
    {
        var bench = new Bench();
        var first = bench.Ask(Message.Query(Name, id: 1));
        var second = bench.Ask(Message.Query(Name, id: 2));
        Assert.Single(bench.ToCluster);
        bench.Cluster($"{Name} A", NoError, $"{Name} 0 A 10.0.0.1");
        Assert.Equal(1, Message.Id(bench.ExpectReply(first)));
        Assert.Equal(2, Message.Id(bench.ExpectReply(second)));
        Assert.Equal(1, bench.Resolver.Counters.Joined);
    }

    [Fact]
    public void Questions_that_differ_in_what_changes_the_answer_are_not_joined()
    {
        var bench = new Bench();
        bench.Ask(Message.Query(Name));
        bench.Ask(Message.Query(Name, "AAAA"));
        bench.Ask(Message.Query(Name, edns: 1232));
        bench.Ask(Message.Query(Name, edns: 1232, ednsFlags: 0x8000));
        bench.Ask(Message.Query(Name, flags: 0x0110));
        bench.Ask(Message.Query(Name, edns: 4096));
        Assert.Equal(5, bench.ToCluster.Count);
    }

    [Fact]
    public void Questions_with_edns_options_are_passed_on_alone_and_whole()
    {
        var bench = new Bench();
        byte[] cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        bench.Ask(Message.Query(Name, edns: 1232, options: cookie));
        bench.Ask(Message.Query(Name, edns: 1232, options: cookie));
        Assert.Equal(2, bench.ToCluster.Count);
        Assert.All(bench.ToCluster, query => Assert.True(query.AsSpan().EndsWith(cookie)));
        bench.Cluster($"{Name} A", NoError, $"{Name} 30 A 10.0.0.1");
        bench.Cluster($"{Name} A", NoError, $"{Name} 30 A 10.0.0.1");
        Assert.Equal(2, bench.ReplyCount);
        bench.Ask(Message.Query(Name, edns: 1232, options: cookie));
        Assert.Single(bench.ToCluster);
    }

    [Fact]
    public void New_rules_forget_what_the_old_ones_found()
    {
        var bench = new Bench();
        bench.Ask(Name);
        bench.Cluster($"{Name} A", NoError, $"{Name} 30 A 10.0.0.1");
        bench.Resolver.Rules = new DnsRules(Bench.PodRules);
        bench.Ask(Name);
        Assert.Single(bench.ClusterQuestions);
    }

    [Fact]
    public void The_cache_is_bounded_and_drops_what_was_not_used_longest()
    {
        var bench = new Bench(options: new ResolverOptions { CacheBytes = 4 * 512 });
        for (var i = 0; i < 4; i++)
        {
            bench.Ask($"n{i}.cluster.local");
            bench.Cluster($"n{i}.cluster.local A", NoError, $"n{i}.cluster.local 300 A 10.0.0.1");
        }
        bench.Ask("n0.cluster.local");
        bench.Ask("n4.cluster.local");
        bench.Cluster("n4.cluster.local A", NoError, "n4.cluster.local 300 A 10.0.0.1");
        bench.Ask("n0.cluster.local");
        bench.ExpectNothingAsked();
        bench.Ask("n1.cluster.local");
        Assert.Equal(["n1.cluster.local A"], bench.ClusterQuestions);
    }

    [Fact]
    public void An_answer_larger_than_the_whole_cache_is_a_failure_of_that_question_alone()
    {
        var bench = new Bench(options: new ResolverOptions { CacheBytes = 4 * 512 });
        var client = bench.Ask(Name, "TXT", tcp: true);
        bench.Cluster($"{Name} TXT", NoError, $"{Name} 5 TXT 3000");
        bench.ExpectRcode(client, ServFail);
        client = bench.Ask(Name, "TXT", tcp: true);
        bench.Cluster($"{Name} TXT", NoError, $"{Name} 5 TXT 1000");
        bench.ExpectRcode(client, NoError);
    }

    [Fact]
    public void More_questions_than_may_wait_get_servfail()
    {
        var bench = new Bench(options: new ResolverOptions { MaxLookups = 2 });
        bench.Ask("a.cluster.local");
        bench.Ask("b.cluster.local");
        bench.ExpectRcode(bench.Ask("c.cluster.local"), ServFail);
        Assert.Equal(2, bench.Resolver.Waiting);
    }
}
