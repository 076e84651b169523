using BenchmarkDotNet.Attributes;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Bench.Micro;

/// <summary>
/// Frames out of one session and into another, with everything that belongs to it: copy into the send queue, scheduling, header, sent
/// log, parsing, delivery, acknowledgement and credit. Per operation: one write of <see cref="Size"/> bytes.
/// </summary>
public class MuxFrames : IMuxSessionHandler, IMuxStreamHandler
{
    private readonly IoVector[] _vectors = new IoVector[64];
    private MuxSession _client = null!;
    private MuxSession _server = null!;
    private MuxStream _stream = null!;
    private MuxStream _datagrams = null!;
    private byte[] _payload = [];
    private long _now = 1_000_000;

    [Params(1, 1400, 16_384)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var options = new MuxSessionOptions { Version = "1", SessionId = Guid.NewGuid(), Key = new byte[32] };
        var pool = new ChunkPool();
        _payload = new byte[Size];
        _client = new MuxSession(SessionRole.Client, options, pool, this, _now);
        _server = new MuxSession(SessionRole.Server, options, pool, this, _now);
        byte[] hello = new byte[Hello.MaxSize];
        int length = Hello.Write(hello, options, resuming: false, 0);
        Hello.TryParse(hello.AsSpan(0, length), out Hello parsed, out _);
        _client.LinkUp(_now);
        _client.Gather(_vectors, 4096, _now);
        _client.Sent(length, _now);
        _server.AcceptLink(parsed, _now);
        _stream = _client.Open(StreamKind.Tcp, [], this, _now)!;
        _datagrams = _client.Open(StreamKind.Udp, [], this, _now)!;
        Exchange();
    }

    /// <summary>One DATA frame, out and in.</summary>
    [Benchmark]
    public void Data()
    {
        _now += 20;
        _stream.Write(_payload, _now);
        Exchange();
    }

    /// <summary>One DATAGRAM frame, out and in.</summary>
    [Benchmark]
    public void Datagram()
    {
        _now += 20;
        _datagrams.WriteDatagram(_payload, _now);
        Exchange();
    }

    private void Exchange()
    {
        while (Move(_client, _server) + Move(_server, _client) > 0)
        {
        }
    }

    private int Move(MuxSession from, MuxSession to)
    {
        if (!from.HasOutput)
            return 0;
        int moved = 0;
        foreach (IoVector vector in _vectors.AsSpan(0, from.Gather(_vectors, 65_536, _now)))
        {
            to.Receive(vector.Span, _now);
            moved += (int)vector.Length;
        }

        from.Sent(moved, _now);
        return moved;
    }

    void IMuxSessionHandler.OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        stream.Handler = this;
        stream.Accept([], now);
    }

    void IMuxStreamHandler.OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now) => stream.Consume(bytes.Length, now);

    void IMuxStreamHandler.OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now)
    {
    }

    void IMuxSessionHandler.OnEstablished(long now)
    {
    }

    void IMuxSessionHandler.OnSuspended(string reason, long now)
    {
    }

    void IMuxSessionHandler.OnResumed(long now)
    {
    }

    void IMuxSessionHandler.OnEnded(string reason, long now) => throw new InvalidOperationException(reason);

    void IMuxSessionHandler.OnLinkDead(string reason, long now) => throw new InvalidOperationException(reason);

    void IMuxSessionHandler.OnOutput()
    {
    }

    void IMuxStreamHandler.OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
    {
    }

    void IMuxStreamHandler.OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
    {
    }

    void IMuxStreamHandler.OnEnd(MuxStream stream, long now)
    {
    }

    void IMuxStreamHandler.OnReset(MuxStream stream, RefuseCode code, long now)
    {
    }

    void IMuxStreamHandler.OnSendSpace(MuxStream stream, long now)
    {
    }
}
