namespace Telepresence.Dns.Tests;

public sealed class LoopTests : IDnsTransport
{
    private readonly List<byte[]> _toCluster = [];
    private readonly List<(int Server, byte[] Query)> _toLocal = [];
    private readonly List<byte[]> _replies = [];

    [Fact]
    public void A_cluster_that_forwards_to_this_machine_is_not_asked_for_outside_names()
    {
        var resolver = new Resolver(new DnsRules(Bench.PodRules), this);
        resolver.SetLocalServers(1, 0);
        resolver.SetClusterReachable(true, 0);
        var probe = Assert.Single(_toCluster);
        _toCluster.Clear();
        Assert.True(resolver.Receive(probe, new DnsClientToken(1, 0, false), 0));
        Assert.Equal(3, Message.Rcode(_replies[0]));
        Assert.True(resolver.ClusterLoops);
        Assert.Equal(1, resolver.Counters.Loops);

        _toLocal.Clear();
        resolver.Receive(Message.Query("x.y.z.a.b.c.example.com"), new DnsClientToken(2, 0, false), 1);
        resolver.ReceiveFromLocal(0, Message.Answer(_toLocal[0].Query, 3), 2);
        Assert.Equal(2, _replies.Count);
        Assert.Empty(_toCluster);
        resolver.Receive(Message.Query("a.default.svc.cluster.local"), new DnsClientToken(3, 0, false), 3);
        Assert.Single(_toCluster);
    }

    [Fact]
    public void A_local_server_that_asks_us_is_not_asked_again()
    {
        var resolver = new Resolver(new DnsRules(Bench.PodRules), this);
        resolver.SetLocalServers(2, 0);
        Assert.Equal(2, _toLocal.Count);
        resolver.Receive(_toLocal[0].Query, new DnsClientToken(1, 0, false), 0);
        _toLocal.Clear();
        resolver.Receive(Message.Query("www.example.com"), new DnsClientToken(2, 0, false), 1);
        Assert.Equal(1, Assert.Single(_toLocal).Server);
    }

    [Fact]
    public void A_probe_is_sent_once_and_to_one_server_only()
    {
        var resolver = new Resolver(new DnsRules(Bench.PodRules), this);
        resolver.SetLocalServers(2, 0);
        resolver.ReceiveFromLocal(0, Message.Answer(_toLocal[0].Query, 2), 1);
        resolver.Poll(10 * Bench.Second);
        Assert.Equal(2, _toLocal.Count);
        Assert.Equal(long.MaxValue, resolver.NextDeadline);
    }

    void IDnsTransport.Reply(in DnsClientToken client, ReadOnlySpan<byte> message, DnsOrigin origin) => _replies.Add(message.ToArray());

    void IDnsTransport.SendToCluster(ReadOnlySpan<byte> query, bool overTcp) => _toCluster.Add(query.ToArray());

    void IDnsTransport.SendToLocal(int server, ReadOnlySpan<byte> query, bool overTcp) => _toLocal.Add((server, query.ToArray()));
}
