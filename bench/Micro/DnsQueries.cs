using BenchmarkDotNet.Attributes;
using Telepresence.Dns;
using Telepresence.Dns.Wire;

namespace Telepresence.Bench.Micro;

/// <summary>One question through the resolver: to the cluster and back, or out of the cache. Without sockets.</summary>
public class DnsQueries : IDnsTransport
{
    private const int RecordSize = 16;

    private static readonly byte[] FullName = DnsName.Parse("helloworld.default.svc.cluster.local");
    private static readonly DnsClientToken Client = new(1, 2, IsTcp: false);

    private readonly byte[] _query = new byte[300];
    private readonly byte[] _shortQuery = new byte[300];
    private readonly byte[] _answer = new byte[512];
    private readonly byte[] _sent = new byte[1500];
    private byte[] _forward = [];
    private Resolver _resolver = null!;
    private int _queryLength;
    private int _shortQueryLength;
    private int _sentLength;
    private long _now = 1;

    [GlobalSetup]
    public void Setup()
    {
        var rules = new DnsRules(new DnsRulesOptions { Search = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"] });
        _resolver = new Resolver(rules, this, new ResolverOptions { LoopCheck = false, MaxPositiveAge = long.MaxValue / 2 });
        _resolver.SetClusterReachable(true, _now);
        _queryLength = DnsQuestions.Write(_query, 1, FullName, DnsType.A);
        _shortQueryLength = DnsQuestions.Write(_shortQuery, 2, DnsName.Parse("helloworld"), DnsType.A);
        // The address is in the cache; the text has TTL 0 and is forwarded each time.
        Ask(_query.AsSpan(0, _queryLength));
        Answer(ttl: int.MaxValue);
        _forward = _query.AsSpan(0, _queryLength).ToArray();
        _forward[_queryLength - 3] = (byte)DnsType.Txt;
    }

    /// <summary>Question to the cluster, answer to the client.</summary>
    [Benchmark]
    public void Forward()
    {
        Ask(_forward);
        Answer(ttl: 0);
    }

    /// <summary>Full name out of the cache.</summary>
    [Benchmark]
    public void Cached() => Ask(_query.AsSpan(0, _queryLength));

    /// <summary>Short name, completed by the search list, out of the cache.</summary>
    [Benchmark]
    public void CachedShort() => Ask(_shortQuery.AsSpan(0, _shortQueryLength));

    void IDnsTransport.Reply(in DnsClientToken client, ReadOnlySpan<byte> message, DnsOrigin origin)
    {
    }

    void IDnsTransport.SendToCluster(ReadOnlySpan<byte> query, bool overTcp)
    {
        query.CopyTo(_sent);
        _sentLength = query.Length;
    }

    void IDnsTransport.SendToLocal(int server, ReadOnlySpan<byte> query, bool overTcp)
    {
    }

    private void Ask(ReadOnlySpan<byte> query) => _resolver.Receive(query, Client, _now += 10);

    /// <summary>Answers the question sent last with one record of its own type: owner (pointer), type, class, TTL, four bytes.</summary>
    private void Answer(uint ttl)
    {
        var length = _sentLength;
        _sent.AsSpan(0, length).CopyTo(_answer);
        _answer[2] |= 0x80;
        _answer[7] = 1;
        ReadOnlySpan<byte> record =
        [
            0xC0, 12, _sent[length - 4], _sent[length - 3], 0, 1,
            (byte)(ttl >> 24), (byte)(ttl >> 16), (byte)(ttl >> 8), (byte)ttl, 0, 4, 3, 1, 2, 3,
        ];
        record.CopyTo(_answer.AsSpan(length));
        _resolver.ReceiveFromCluster(_answer.AsSpan(0, length + RecordSize), _now += 10);
    }
}
