namespace Telepresence.Dns.Tests;

/// <summary>The paths that every question takes allocate nothing once they are warm.</summary>
public sealed class AllocationTests : IDnsTransport
{
    private readonly byte[] _sent = new byte[2048];
    private int _sentLength;
    private int _replies;
    private bool _sentToCluster;

    [Fact]
    public void A_forwarded_question_allocates_nothing() => Measure("a.default.svc.cluster.local", ttl: 0, hops: 1);

    [Fact]
    public void A_cached_question_allocates_nothing() => Measure("a.default.svc.cluster.local", ttl: 300, hops: 0);

    [Fact]
    public void A_question_through_the_search_list_allocates_nothing() => Measure("a", ttl: 300, hops: 0);

    [Fact]
    public void An_outside_question_allocates_nothing() => Measure("www.example.com", ttl: 0, hops: 1);

    private void Measure(string name, int ttl, int hops)
    {
        var resolver = new Resolver(new DnsRules(Bench.PodRules), this, new ResolverOptions { LoopCheck = false });
        resolver.SetClusterReachable(true, 0);
        resolver.SetLocalServers(1, 0);
        var query = Message.Query(name);
        long now = 0;
        var answer = Array.Empty<byte>();
        for (var i = 0; i < 1000; i++)
        {
            _sentLength = 0;
            Round(resolver, query, ref answer, ttl, now += 10);
        }
        _replies = 0;
        _sentLength = 0;
        var before = GC.GetAllocatedBytesForCurrentThread();
        var sent = 0;
        for (var i = 0; i < 1000; i++)
        {
            _sentLength = 0;
            Round(resolver, query, ref answer, ttl, now += 10);
            if (_sentLength > 0) sent++;
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1000, _replies);
        Assert.Equal(1000 * hops, sent);
    }

    private void Round(Resolver resolver, byte[] query, ref byte[] answer, int ttl, long now)
    {
        resolver.Receive(query, new DnsClientToken(1, 2, false), now);
        if (_sentLength == 0) return;
        // The first time the answer is built, afterwards only its identifier changes.
        var sent = _sent.AsSpan(0, _sentLength);
        if (answer.Length == 0) answer = Message.Answer(sent, 0, $"{Message.Name(sent, 12)} {ttl} A 10.0.0.1");
        sent[..2].CopyTo(answer);
        if (_sentToCluster) resolver.ReceiveFromCluster(answer, now);
        else resolver.ReceiveFromLocal(0, answer, now);
    }

    void IDnsTransport.Reply(in DnsClientToken client, ReadOnlySpan<byte> message, DnsOrigin origin) => _replies++;

    void IDnsTransport.SendToCluster(ReadOnlySpan<byte> query, bool overTcp) => Keep(query, true);

    void IDnsTransport.SendToLocal(int server, ReadOnlySpan<byte> query, bool overTcp) => Keep(query, false);

    private void Keep(ReadOnlySpan<byte> query, bool cluster)
    {
        if (_sentLength > 0) return; // the first name of a search list answers
        query.CopyTo(_sent);
        _sentLength = query.Length;
        _sentToCluster = cluster;
    }
}
