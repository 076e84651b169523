using System.Net;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class DnsRelayTests : IDisposable
{
    private static readonly DnsRelay.Settings Settings = new() { AttemptTimeout = 3_600_000_000, MaxOutstanding = 50 };

    private readonly SessionPair _pair;
    private readonly StreamRecorder _near = new();
    private DnsRelay? _relay;
    private MuxStream? _stream;

    public DnsRelayTests()
    {
        _pair = new SessionPair((stream, _, now) => _relay!.Serve(stream, now));
        _pair.Link();
    }

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void An_answer_carries_the_askers_id_and_nothing_else_changes()
    {
        byte[] seen = [];
        using FakeNameServer server = new(query => FakeNameServer.Answer(seen = query, tail: [1, 2, 3]));
        Start(server.Port);
        byte[] query = FakeNameServer.Query(0x1234, "kubernetes.default.svc.cluster.local");
        Ask(query);
        Until(1);
        Assert.Equal(FakeNameServer.Answer(query, tail: [1, 2, 3]), _near.Datagrams[0]);
        Assert.Equal(query[2..], seen[2..]);
    }

    [Fact]
    public void Queries_with_the_same_id_each_get_their_own_answer()
    {
        using FakeNameServer server = new(query => FakeNameServer.Answer(query));
        Start(server.Port);
        for (int i = 0; i < 40; i++)
            Ask(FakeNameServer.Query(7, $"host{i}.example"));
        Until(40);
        Assert.Equal(
            Enumerable.Range(0, 40).Select(i => Convert.ToHexString(FakeNameServer.Answer(FakeNameServer.Query(7, $"host{i}.example")))).Order(),
            _near.Datagrams.Select(Convert.ToHexString).Order());
        Assert.Equal(0, _relay!.Outstanding);
    }

    [Fact]
    public void A_truncated_answer_is_fetched_whole_over_TCP()
    {
        byte[] tail = LinkPumpTests.RandomBytes(20_000);
        using FakeNameServer server = new(
            query => FakeNameServer.Answer(query, truncated: true), query => FakeNameServer.Answer(query, tail: tail));
        Start(server.Port);
        byte[] query = FakeNameServer.Query(9, "many.example");
        Ask(query);
        Until(1);
        Assert.Equal(FakeNameServer.Answer(query, tail: tail), _near.Datagrams[0]);
    }

    [Fact]
    public void A_truncated_answer_is_better_than_none_when_TCP_fails()
    {
        using FakeNameServer server = new(query => FakeNameServer.Answer(query, truncated: true));
        Start(server.Port);
        byte[] query = FakeNameServer.Query(9, "many.example");
        Ask(query);
        Until(1);
        Assert.Equal(FakeNameServer.Answer(query, truncated: true), _near.Datagrams[0]);
    }

    [Fact]
    public void The_next_name_server_is_asked_when_one_refuses_or_fails()
    {
        using ReservedDatagramPort closed = new();
        using FakeNameServer failing = new(query => FakeNameServer.Answer(query, rcode: 2));
        using FakeNameServer good = new(query => FakeNameServer.Answer(query, rcode: 3));
        Start(closed.Number, failing.Port, good.Port);
        byte[] query = FakeNameServer.Query(1, "nowhere.example");
        Ask(query);
        Until(1);
        Assert.Equal(FakeNameServer.Answer(query, rcode: 3), _near.Datagrams[0]);
        Assert.Equal(1, failing.Queries);
    }

    [Fact]
    public void A_silent_name_server_is_asked_again_and_then_the_asker_hears_of_the_failure()
    {
        using FakeNameServer silent = new(static _ => null);
        Start(silent.Port);
        byte[] query = FakeNameServer.Query(77, "slow.example");
        Ask([.. query, 0xde, 0xad]);
        _pair.Turns.Until(() => _relay!.Outstanding == 1);
        _relay!.OnTurn(_relay.NextDeadline);
        Assert.Equal(1, _relay.Outstanding);
        _relay.OnTurn(_relay.NextDeadline);
        Until(1);
        Assert.Equal(FakeNameServer.Answer(query, rcode: 2), _near.Datagrams[0]);
        Assert.Equal(0, _relay.Outstanding);
        Assert.Equal(2, _relay.Counters.TimedOut);
        _pair.Turns.Until(() => silent.Queries == 2);
    }

    [Fact]
    public void What_is_no_query_is_dropped_and_counted()
    {
        using FakeNameServer server = new(query => FakeNameServer.Answer(query));
        Start(server.Port);
        Ask([1, 2, 3]);
        Ask(FakeNameServer.Answer(FakeNameServer.Query(1, "a.example")));
        Ask(FakeNameServer.Query(2, "b.example"));
        Until(1);
        Assert.Equal(2, _relay!.Counters.Malformed);
        Assert.Equal(2, _near.Datagrams[0][1]);
    }

    [Fact]
    public void Too_many_outstanding_queries_are_refused_at_once()
    {
        using FakeNameServer silent = new(static _ => null);
        Start(silent.Port);
        for (ushort i = 0; i < 60; i++)
            Ask(FakeNameServer.Query(i, "flood.example"));
        Until(10);
        Assert.All(_near.Datagrams, static answer => Assert.Equal(2, answer[3] & 15));
        Assert.Equal(50, _relay!.Outstanding);
    }

    [Fact]
    public void An_answer_nobody_asked_for_is_counted_and_dropped()
    {
        using FakeNameServer liar = new(query =>
        {
            query[0] ^= 0xff;
            return FakeNameServer.Answer(query);
        });
        Start(liar.Port);
        Ask(FakeNameServer.Query(5, "a.example"));
        _pair.Turns.Until(() => _relay!.Counters.Stray == 1);
        Assert.Empty(_near.Datagrams);
    }

    [Fact]
    public void A_name_server_cannot_answer_what_another_one_was_asked()
    {
        byte[] askedFirst = [];
        using FakeNameServer first = new(query =>
        {
            askedFirst = query;
            return null;
        });
        using FakeNameServer second = new(_ => FakeNameServer.Answer(askedFirst));
        Start(first.Port, second.Port);
        Ask(FakeNameServer.Query(1, "one.example"));
        _pair.Turns.Until(() => first.Queries == 1);
        long deadline = _relay!.NextDeadline;
        Ask(FakeNameServer.Query(2, "two.example"));
        _pair.Turns.Until(() => first.Queries == 2);
        _relay.OnTurn(deadline);
        _pair.Turns.Until(() => _relay.Counters.Stray == 1);
        Assert.Empty(_near.Datagrams);
        Assert.Equal(2, _relay.Outstanding);
    }

    private void Start(params ushort[] ports)
    {
        NetAddress loopback = NetAddress.FromIPAddress(IPAddress.Loopback);
        _relay = new DnsRelay(_pair.Loop, [.. ports.Select(port => new TargetAddress(loopback, port))], Settings);
        _stream = _pair.Client.Open(StreamKind.Dns, default, _near, _pair.Loop.Now)!;
    }

    private void Ask(byte[] message) => Assert.True(_stream!.WriteDatagram(message, _pair.Loop.Now));

    private void Until(int answers) => _pair.Turns.Until(() => _near.Datagrams.Count >= answers);
}
