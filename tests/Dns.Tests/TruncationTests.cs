namespace Telepresence.Dns.Tests;

public sealed class TruncationTests
{
    private const string Name = "big.default.svc.cluster.local";
    private static readonly string[] Big = [.. Enumerable.Range(1, 60).Select(i => $"{Name} 30 A 10.0.0.{i}")]; // 60 × 16 bytes

    [Fact]
    public void A_udp_client_without_edns_gets_512_bytes_at_most()
    {
        var bench = new Bench();
        var udp = bench.Ask(Name);
        bench.Cluster($"{Name} A", 0, Big);
        var reply = bench.ExpectReply(udp);
        Assert.True(Message.IsTruncated(reply));
        Assert.Empty(Message.Records(reply));
        Assert.Equal(1, bench.Resolver.Counters.Truncated);

        var tcp = bench.Ask(Name, tcp: true);
        Assert.Equal(60, Message.Records(bench.ExpectReply(tcp)).Length);
        bench.ExpectNothingAsked();
    }

    [Fact]
    public void A_larger_edns_size_carries_larger_answers_up_to_what_the_path_carries()
    {
        var bench = new Bench();
        var client = bench.Ask(Message.Query(Name, edns: 1232));
        bench.Cluster($"{Name} A", 0, Big);
        var reply = bench.ExpectReply(client);
        Assert.False(Message.IsTruncated(reply));
        Assert.True(Message.HasOpt(reply));

        var narrow = new DnsClientToken(99, 0, false, MaxUdpSize: 700);
        bench.Resolver.Receive(Message.Query(Name, edns: 4096), narrow, bench.Now);
        reply = bench.ExpectReply(narrow);
        Assert.True(Message.IsTruncated(reply));
        Assert.True(Message.HasOpt(reply));
    }

    [Fact]
    public void Upstream_is_asked_with_one_edns_size_for_all_clients()
    {
        var bench = new Bench();
        bench.Ask(Message.Query(Name, edns: 600));
        var query = Assert.Single(bench.ToCluster);
        Assert.Equal(4096, (query[^8] << 8) | query[^7]);
    }

    [Fact]
    public void A_truncated_upstream_answer_is_asked_again_over_tcp()
    {
        var bench = new Bench();
        var client = bench.Ask(Name, tcp: true);
        var query = bench.ToCluster[0];
        bench.ToCluster.Clear();
        bench.Resolver.ReceiveFromCluster(Message.Answer(query, 0, 0x8380, Big[..1]), bench.Now);
        bench.ExpectNoReply();
        Assert.True(bench.LastClusterOverTcp);
        bench.Cluster($"{Name} A", 0, Big);
        Assert.Equal(60, Message.Records(bench.ExpectReply(client)).Length);
    }

    [Fact]
    public void Where_tcp_does_not_work_the_truncated_answer_is_passed_on()
    {
        var bench = new Bench();
        var client = bench.Ask(Name);
        bench.Resolver.ReceiveFromCluster(Message.Answer(bench.ToCluster[0], 0, 0x8380, Big[..1]), bench.Now);
        bench.Advance(5 * Bench.Second);
        var reply = bench.ExpectReply(client);
        Assert.True(Message.IsTruncated(reply));
        Assert.Single(Message.Records(reply));
        bench.ToCluster.Clear();
        bench.Ask(Name);
        Assert.Single(bench.ToCluster);
    }

    [Fact]
    public void An_expanded_answer_that_outgrows_the_limit_is_truncated_too()
    {
        var bench = new Bench();
        var client = bench.Ask("big");
        var records = Big[..29]; // 12 + 35 + 29 × 16 = 511 bytes without the alias, 528 with it
        bench.Cluster($"{Name} A", 0, records);
        Assert.True(Message.IsTruncated(bench.ExpectReply(client)));
    }
}
