using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>In steady state a frame costs no managed memory, out and in, acknowledged and credited.</summary>
public sealed class AllocationTests
{
    [Theory]
    [InlineData(StreamKind.Tcp, 1)]
    [InlineData(StreamKind.Tcp, 1400)]
    [InlineData(StreamKind.Tcp, 65_536)]
    [InlineData(StreamKind.Udp, 100)]
    [InlineData(StreamKind.Udp, 60_000)]
    public void A_frame_allocates_nothing(StreamKind kind, int size)
    {
        var exchange = new Exchange(kind, size);
        for (int i = 0; i < 3000; i++)
            exchange.Round();
        long received = exchange.Received;
        long frames = exchange.Frames;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            exchange.Round();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(0, allocated);
        Assert.Equal(1000L * size, exchange.Received - received);
        Assert.True(exchange.Frames - frames >= 1000);
    }

    /// <summary>Two sessions whose bytes go from hand to hand, and a program that writes at one end and reads at the other.</summary>
    private sealed class Exchange : IMuxSessionHandler, IMuxStreamHandler
    {
        private readonly MuxSession _client;
        private readonly MuxSession _server;
        private readonly MuxStream _stream;
        private readonly byte[] _payload;
        private readonly IoVector[] _vectors = new IoVector[64];
        private long _now = 1_000_000;

        internal Exchange(StreamKind kind, int size)
        {
            var options = new MuxSessionOptions { Version = "1", SessionId = Guid.NewGuid(), Key = new byte[32] };
            var pool = new ChunkPool();
            _payload = new byte[size];
            _client = new MuxSession(SessionRole.Client, options, pool, this, _now);
            _server = new MuxSession(SessionRole.Server, options, pool, this, _now);
            byte[] hello = new byte[Hello.MaxSize];
            int length = Hello.Write(hello, options, resuming: false, 0);
            Hello.TryParse(hello.AsSpan(0, length), out Hello parsed, out _);
            _client.LinkUp(_now);
            _client.Gather(_vectors, 4096, _now);
            _client.Sent(length, _now);
            _server.AcceptLink(parsed, _now);
            _stream = _client.Open(kind, [], this, _now)!;
            Move();
        }

        internal long Received { get; private set; }

        internal long Frames => _server.Counters.FramesReceived;

        internal void Round()
        {
            _now += 100;
            if (_stream.Kind.IsDatagram())
                _stream.WriteDatagram(_payload, _now);
            else
                _stream.Write(_payload, _now);
            Move();
            _client.Poll(_now);
            _server.Poll(_now);
        }

        private void Move()
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
            foreach (IoVector vector in _vectors.AsSpan(0, from.Gather(_vectors, 262_144, _now)))
            {
                to.Receive(vector.Span, _now);
                moved += (int)vector.Length;
            }

            from.Sent(moved, _now);
            return moved;
        }

        public void OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now)
        {
            stream.Handler = this;
            stream.Accept([], now);
        }

        public void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
        {
            Received += bytes.Length;
            stream.Consume(bytes.Length, now);
        }

        public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now) => Received += datagram.Length;

        public void OnEstablished(long now)
        {
        }

        public void OnSuspended(string reason, long now)
        {
        }

        public void OnResumed(long now)
        {
        }

        public void OnEnded(string reason, long now) => throw new InvalidOperationException(reason);

        public void OnLinkDead(string reason, long now) => throw new InvalidOperationException(reason);

        public void OnOutput()
        {
        }

        public void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
        {
        }

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
        {
        }

        public void OnEnd(MuxStream stream, long now)
        {
        }

        public void OnReset(MuxStream stream, RefuseCode code, long now)
        {
        }

        public void OnSendSpace(MuxStream stream, long now)
        {
        }
    }
}
