using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack.Fuzz;

/// <summary>Malformed input is dropped and counted; that flow suffers, never the process.</summary>
public class PacketFuzzTests
{
    [Fact]
    public void Every_packet_of_the_corpus_is_understood()
    {
        Assert.True(PacketCorpus.Packets.Count >= 25);
        foreach ((string name, byte[] frame) in PacketCorpus.Packets)
        {
            var h = new FuzzTarget();
            h.Stack.Receive(frame, 1);
            Assert.True(h.Stack.Counters.Malformed + h.Stack.Counters.BadChecksum == 0, name);
            Assert.True(h.Calls + h.Sent + h.Stack.Counters.Fragments + h.Stack.Counters.Ignored > 0, name);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Damaged_packets_never_throw(int seed)
    {
        var random = new Random(seed);
        var mutator = new PacketMutator(random);
        var target = new FuzzTarget(random);
        const int count = 50_000;
        for (int i = 0; i < count; i++)
        {
            target.Stack.Receive(mutator.Mutate(PacketCorpus.Packets[random.Next(PacketCorpus.Packets.Count)].Frame), i * 10L);
            target.Turn(i * 10L);
        }
        Assert.Equal(count, target.Stack.Counters.PacketsIn);
        // The damage must reach every layer, or this test says nothing.
        Assert.InRange(target.Stack.Counters.Malformed, count / 20, count);
        Assert.InRange(target.Stack.Counters.BadChecksum, count / 20, count);
        Assert.InRange(target.Calls, count / 50, count);
        target.AssertNothingLeaks(count * 10L);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public void Segments_with_any_numbers_never_break_a_connection(int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < 60; round++)
        {
            var target = new FuzzTarget(random);
            long now = 0;
            uint theirs = (uint)random.NextInt64(), ours = 0;
            target.Stack.Receive(Segment(TcpFlags.Syn, theirs, 0, SegmentHarness.UsualOptions, []), now);
            for (int i = 0; i < 400 && target.Connection is { State: not TcpState.Closed }; i++)
            {
                now += random.Next(random.Next(10) == 0 ? 3_000_000 : 1_000);
                ours = target.LastSequence;
                var flags = random.Next(12) switch { 0 => (TcpFlags)random.Next(256), 1 => TcpFlags.Fin | TcpFlags.Ack, _ => TcpFlags.Ack };
                if (random.Next(20) != 0)
                    flags &= ~(TcpFlags.Rst | TcpFlags.Syn);
                uint sequence = theirs + 1 + (uint)(target.Received + Near(random)), ack = ours + (uint)Near(random);
                byte[] options = new byte[random.Next(11) * 4];
                random.NextBytes(options);
                if (options.Length >= 12 && random.Next(2) == 0)
                {
                    TcpOptions.WriteSackPrefix(options, 1);
                    System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(options.AsSpan(4), ours + (uint)Near(random));
                    System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(options.AsSpan(8), ours + (uint)Near(random));
                }
                target.Stack.Receive(Segment(flags, sequence, ack, options, new byte[random.Next(2) == 0 ? 0 : random.Next(3_000)]), now);
                target.Turn(now);
            }
            target.AssertNothingLeaks(now);
        }
    }

    private static long Near(Random random) => random.Next(6) switch
    {
        0 => 0,
        1 => random.Next(-3, 4),
        2 => random.Next(-3_000, 3_000),
        3 => random.Next(-100_000, 100_000),
        4 => random.Next(),
        _ => random.Next(1, 3_000),
    };

    private static byte[] Segment(TcpFlags flags, uint sequence, uint ack, byte[] options, byte[] payload)
    {
        return PacketBuilder.Tcp(
            NetAddress.Parse("10.77.0.1"), 40_000, NetAddress.Parse("10.77.0.80"), 80, sequence, ack, flags, 2_000, options, payload);
    }

    /// <summary>A stack whose handler does by chance everything that a handler may do, and that checks what it is told.</summary>
    private sealed class FuzzTarget : IPacketOutput, IFlowHandler, ITcpHandler
    {
        private readonly Random _random;
        private readonly byte[] _data = new byte[20_000];

        public FuzzTarget(Random? random = null)
        {
            _random = random ?? new Random(0);
            Stack = new NetworkStack(new StackOptions { Mtu = 1_500, Offload = _random.Next(2) == 0, MaxHalfOpen = 50 }, new ChunkPool(), this, this);
        }

        public NetworkStack Stack { get; }
        public TcpConnection? Connection { get; private set; }
        public int Calls { get; private set; }
        public int Sent { get; private set; }
        public long Received { get; private set; }
        public uint LastSequence { get; private set; }

        public void Turn(long now)
        {
            if (_random.Next(3) == 0)
                Stack.Flush(now);
            else
                Stack.Poll(now);
            if (Connection is null || _random.Next(4) != 0)
                return;
            switch (_random.Next(40))
            {
                case 0: Connection.SendEnd(now); break;
                case 1: Connection.Abort(now); break;
                case 2: Connection.Refuse((RefusalReason)_random.Next(5), now); break;
                default: Connection.Send(_data.AsSpan(0, _random.Next(_data.Length)), now); break;
            }
        }

        public void AssertNothingLeaks(long now)
        {
            Stack.AbortAll(now);
            Stack.Flush(now);
            Stack.Poll(now + 100_000_000);
            Assert.Equal((0, 0, 0, 0L), (Stack.ConnectionCount, Stack.HalfOpen, Stack.OutOfOrderStores, Stack.Budget.Promised));
            Assert.Equal((0L, long.MaxValue), (Stack.Pool.InUse, Stack.NextDeadline));
        }

        public bool Send(ReadOnlySpan<IoVector> vectors)
        {
            if (_random.Next(50) == 0)
                return false;
            Sent++;
            byte[] frame = FaultyLink.Join(vectors);
            ReadOnlySpan<byte> packet = frame.AsSpan(VirtioNetHeader.Size);
            if (packet[0] >> 4 == 4)
            {
                Assert.True(IPv4Header.TryParse(packet, out IPv4Header ip) && ip.IsChecksumValid);
                if (ip.Protocol == IpProtocol.Tcp)
                {
                    Assert.True(TcpHeader.TryParse(ip.Payload, out TcpHeader tcp));
                    LastSequence = tcp.Sequence + (uint)tcp.SequenceLength;
                }
            }
            else
            {
                Assert.True(IPv6Header.TryParse(packet, false, out _));
            }
            return true;
        }

        public void OnTcpOpen(TcpConnection connection, long now)
        {
            Calls++;
            Connection = connection;
            Received = 0;
            connection.Handler = this;
            connection.SetReceiveSpace(_random.Next(100_000));
            if (_random.Next(10) != 0)
                connection.Accept(now);
        }

        public void OnDatagram(in FlowKey flow, ReadOnlySpan<byte> payload, long now)
        {
            Calls++;
            if (_random.Next(2) == 0)
                Stack.SendDatagram(flow, payload, now);
            else
                Stack.SendUnreachable(flow, (RefusalReason)_random.Next(5), now);
        }

        public void OnEcho(in EchoRequest request, long now)
        {
            Calls++;
            if (_random.Next(2) == 0)
                Stack.ReplyEcho(request, now);
            else
                Stack.SendUnreachable(request, (RefusalReason)_random.Next(5), now);
        }

        public void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
        {
            Assert.NotEqual(TcpState.Closed, connection.State);
            Received += bytes.Length;
            connection.SetReceiveSpace(_random.Next(100_000));
            if (_random.Next(200) == 0)
                connection.Abort(now);
            else if (_random.Next(10) == 0)
                connection.Send(bytes, now);
        }

        public void OnEnd(TcpConnection connection, long now) => Assert.NotEqual(TcpState.Closed, connection.State);

        public void OnSendSpace(TcpConnection connection, int acknowledged, long now)
        {
            Assert.True(acknowledged > 0);
            if (_random.Next(300) == 0)
                connection.Abort(now);
        }

        public void OnReset(TcpConnection connection, long now) => Assert.Equal(TcpState.Closed, connection.State);
        public void OnClosed(TcpConnection connection, long now) => Assert.Equal(TcpState.Closed, connection.State);
    }
}
