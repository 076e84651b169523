using System.Buffers.Binary;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>What the hot path and an idle connection cost in managed memory.</summary>
public class AllocationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void No_segment_allocates_in_either_direction(bool v6)
    {
        var link = new SteadyLink(v6);
        link.Run(200);
        long before = GC.GetAllocatedBytesForCurrentThread();
        link.Run(2_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(link.Segments >= 4_000);
        Assert.Equal(2_200L * 60_000, link.Received);
        Assert.Equal(2_200L * 60_000, link.Acknowledged);
    }

    [Fact]
    public void No_datagram_allocates_in_either_direction()
    {
        var link = new SteadyLink(false);
        byte[] frame = PacketBuilder.Udp(link.Source, 5_000, link.Destination, 53, new byte[1_200]);
        for (int i = 0; i < 100; i++)
            link.Stack.Receive(frame, 1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
            link.Stack.Receive(frame, 1);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Ten_thousand_idle_connections_hold_no_buffers_and_less_than_a_kilobyte_each()
    {
        const int count = 10_000;
        var link = new SteadyLink(false);
        for (int i = 0; i < 100; i++)
            link.OpenAndTalk((ushort)(50_000 + i));

        // What this thread allocates bounds what a connection holds, and other tests beside this one do not change it.
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < count; i++)
            link.OpenAndTalk((ushort)(2_000 + i));
        long after = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(count + 101, link.Stack.ConnectionCount);
        Assert.Equal(0, link.Stack.Pool.InUse);
        Assert.InRange((after - before) / count, 1, 1_023);
    }

    /// <summary>A stack with one open connection, whose peer writes its frames into one buffer.</summary>
    private sealed class SteadyLink : IPacketOutput, IFlowHandler, ITcpHandler
    {
        private const int Size = 60_000;

        private readonly byte[] _frame;
        private readonly byte[] _data = new byte[Size];
        private readonly int _ip;
        private readonly byte[] _last = new byte[256];
        private uint _peerSequence;
        private long _now;

        public SteadyLink(bool v6)
        {
            Source = NetAddress.Parse(v6 ? "fd77::1" : "10.77.0.1");
            Destination = NetAddress.Parse(v6 ? "fd77::80" : "10.77.0.80");
            _ip = v6 ? 40 : 20;
            _frame = new byte[10 + _ip + 20 + Size];
            Stack = new NetworkStack(new StackOptions(), new ChunkPool(), this, this);
            OpenAndTalk(1_000);
        }

        public NetworkStack Stack { get; }
        public NetAddress Source { get; }
        public NetAddress Destination { get; }
        public long Received { get; private set; }
        public long Acknowledged { get; private set; }
        public long Segments { get; private set; }
        private TcpConnection Connection { get; set; } = null!;
        private uint LastSequence => BinaryPrimitives.ReadUInt32BigEndian(_last.AsSpan(10 + _ip + 4));
        private bool _counting;

        /// <summary>Opens a connection, exchanges a byte each way and leaves it idle.</summary>
        public void OpenAndTalk(ushort port)
        {
            _counting = false;
            Write(port, 0, 0, TcpFlags.Syn, 0);
            uint initial = LastSequence;
            Write(port, 1, initial + 1, TcpFlags.Ack, 1);
            Connection.Send("x"u8, _now);
            Stack.Flush(_now);
            Write(port, 2, initial + 2, TcpFlags.Ack, 0);
            _peerSequence = 2;
            _peerAcknowledgment = initial + 2;
            _counting = true;
        }

        private uint _peerAcknowledgment;

        public void Run(int rounds)
        {
            for (int i = 0; i < rounds; i++)
            {
                _now += 100;
                Write(1_000, _peerSequence, _peerAcknowledgment, TcpFlags.Ack, Size);
                _peerSequence += Size;
                Connection.Send(_data, _now);
                Stack.Flush(_now);
                _peerAcknowledgment += Size;
                Write(1_000, _peerSequence, _peerAcknowledgment, TcpFlags.Ack, 0);
                Stack.Poll(_now);
            }
        }

        public bool Send(ReadOnlySpan<IoVector> vectors)
        {
            Segments++;
            vectors[0].Span.CopyTo(_last);
            return true;
        }

        public void OnTcpOpen(TcpConnection connection, long now)
        {
            Connection = connection;
            connection.Handler = this;
            connection.SetReceiveSpace(1 << 20);
            connection.Accept(now);
        }

        public void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
        {
            if (_counting)
                Received += bytes.Length;
            connection.SetReceiveSpace(1 << 20);
        }

        public void OnSendSpace(TcpConnection connection, int acknowledged, long now)
        {
            if (_counting)
                Acknowledged += acknowledged;
        }

        public void OnDatagram(in FlowKey flow, ReadOnlySpan<byte> payload, long now) => Stack.SendDatagram(flow, payload, now);
        public void OnEcho(in EchoRequest request, long now) { }
        public void OnEnd(TcpConnection connection, long now) { }
        public void OnReset(TcpConnection connection, long now) => Assert.Fail("reset");
        public void OnClosed(TcpConnection connection, long now) { }

        private void Write(ushort port, uint sequence, uint acknowledgment, TcpFlags flags, int length)
        {
            new VirtioNetHeader(VirtioNetHeader.NeedsChecksum, 0, 0, 0, (ushort)_ip, 16).Write(_frame);
            if (_ip == 20)
                IPv4Header.Write(_frame.AsSpan(10), Source.IPv4, Destination.IPv4, IpProtocol.Tcp, 20 + length);
            else
                IPv6Header.Write(_frame.AsSpan(10), Source, Destination, IpProtocol.Tcp, 20 + length);
            TcpHeader.Write(_frame.AsSpan(10 + _ip), port, 80, sequence, acknowledgment, flags, 65_535);
            Stack.Receive(_frame.AsSpan(0, 10 + _ip + 20 + length), _now);
            Stack.Flush(_now);
        }
    }
}
