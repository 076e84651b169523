using System.Text;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>What left the stack, with numbers relative to the first data byte of each direction (a SYN is -1).</summary>
internal sealed record SentSegment(TcpFlags Flags, int Seq, int Ack, int Window, byte[] Data, int Mss, int Shift, bool SackPermitted, (int, int)[] Sack, int GsoSize)
{
    public string Text => Encoding.ASCII.GetString(Data);
}

/// <summary>
/// One stack, one peer whose segments a test writes line by line: "send this at t, expect that, expect nothing". Numbers are relative
/// to the first data byte of each direction. Time only moves when a test says so.
/// </summary>
internal sealed class SegmentHarness : IPacketOutput, IFlowHandler, ITcpHandler
{
    public const TcpFlags S = TcpFlags.Syn, A = TcpFlags.Ack, F = TcpFlags.Fin, R = TcpFlags.Rst, P = TcpFlags.Psh, SA = S | A, FA = F | A, RA = R | A;
    public const uint PeerInitial = 0xffff_fff0; // so that every longer test wraps around
    public static readonly byte[] UsualOptions = [2, 4, 0x05, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2]; // MSS 1460, shift 7, SACK permitted

    private readonly Queue<byte[]> _sent = new();
    private uint _initial;

    public SegmentHarness(StackOptions? options = null, bool v6 = false)
    {
        Source = NetAddress.Parse(v6 ? "fd77::1" : "10.77.0.1");
        Destination = NetAddress.Parse(v6 ? "fd77::80" : "10.77.0.80");
        Stack = new NetworkStack(options ?? new StackOptions { Mtu = 1_500 }, Pool, this, this);
    }

    public NetworkStack Stack { get; }
    public ChunkPool Pool { get; } = new();
    public NetAddress Source { get; }
    public NetAddress Destination { get; }
    public ushort SourcePort { get; set; } = 40_000;
    public TcpConnection? Connection { get; private set; }
    public bool Full { get; set; }
    public int RefusedPort { get; set; }
    public bool AutoAccept { get; set; } = true;
    public int Space { get; set; } = 1 << 20;
    public StringBuilder Received { get; } = new();
    public List<string> Events { get; } = [];
    public int Acknowledged { get; private set; }
    public List<byte[]> Frames { get; } = [];
    public uint SequenceOfFirstByte => _initial + 1;

    /// <summary>Goes on with a connection that was opened before the last one.</summary>
    public void ReturnTo(ushort port, uint sequenceOfFirstByte)
    {
        SourcePort = port;
        _initial = sequenceOfFirstByte - 1;
    }


    public static SegmentHarness Established(StackOptions? options = null, int window = 65_535, byte[]? handshake = null)
    {
        var harness = new SegmentHarness(options);
        harness.In(0, S, -1, 0, window: 65_535, options: handshake ?? UsualOptions);
        harness.Expect(SA);
        harness.In(0, A, 0, 0, window: window);
        harness.ExpectNothing();
        Assert.Equal(TcpState.Established, harness.Connection!.State);
        return harness;
    }

    public SegmentHarness In(long t, TcpFlags flags, int seq, int ack, string data = "", int window = 65_535, byte[]? options = null, bool flush = true)
    {
        byte[] frame = Frame(flags, seq, ack, Encoding.ASCII.GetBytes(data), window, options);
        Stack.Receive(frame, t);
        if (flush)
            Stack.Flush(t);
        return this;
    }

    public byte[] Frame(TcpFlags flags, int seq, int ack, byte[] data, int window = 65_535, byte[]? options = null) => PacketBuilder.Tcp(
        Source, SourcePort, Destination, 80, PeerInitial + 1 + (uint)seq, (flags & A) != 0 ? _initial + 1 + (uint)ack : 0, flags, window,
        options ?? [], data);

    public void At(long t) => Stack.Poll(t);

    /// <summary>Advances from deadline to deadline until one makes the stack speak; a timer may come up early once and say nothing.</summary>
    public void AtNextDeadline()
    {
        for (int i = 0; i < 3 && _sent.Count == 0; i++)
        {
            long deadline = Stack.NextDeadline;
            Assert.NotEqual(long.MaxValue, deadline);
            Stack.Poll(deadline - 1);
            ExpectNothing();
            Stack.Poll(deadline);
        }
    }

    public SentSegment Expect(TcpFlags flags, int? seq = null, int? ack = null, string? data = null, int? length = null)
    {
        Assert.True(_sent.Count > 0, "Expected a segment and there was none.");
        SentSegment segment = Parse(_sent.Dequeue());
        Assert.Equal(flags, segment.Flags & ~P);
        if (seq is not null)
            Assert.Equal(seq, segment.Seq);
        if (ack is not null)
            Assert.Equal(ack, segment.Ack);
        if (data is not null)
            Assert.Equal(data, segment.Text);
        if (length is not null)
            Assert.Equal(length, segment.Data.Length);
        return segment;
    }

    public void ExpectNothing() => Assert.True(_sent.Count == 0, _sent.Count == 0 ? "" : $"Unexpected: {Parse(_sent.Peek())}");

    public List<SentSegment> TakeAll()
    {
        List<SentSegment> all = [];
        while (_sent.TryDequeue(out byte[]? frame))
            all.Add(Parse(frame));
        return all;
    }

    /// <summary>Queues text on the connection and flushes.</summary>
    public void Write(long t, string text)
    {
        Assert.Equal(text.Length, Connection!.Send(Encoding.ASCII.GetBytes(text), t));
        Stack.Flush(t);
    }

    public bool Send(ReadOnlySpan<IoVector> vectors)
    {
        if (Full)
            return false;
        byte[] frame = FaultyLink.Join(vectors);
        ReadOnlySpan<byte> packet = frame.AsSpan(VirtioNetHeader.Size);
        if (RefusedPort != 0 && System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(packet[22..]) == RefusedPort)
            return false;
        Frames.Add(frame);
        if (packet[packet[0] >> 4 == 4 ? 9 : 6] == IpProtocol.Tcp)
            _sent.Enqueue(frame);
        return true;
    }

    public void OnTcpOpen(TcpConnection connection, long now)
    {
        Connection = connection;
        connection.Handler = this;
        Events.Add("open");
        connection.SetReceiveSpace(Space);
        if (AutoAccept)
            connection.Accept(now);
    }

    public void OnDatagram(in FlowKey flow, ReadOnlySpan<byte> payload, long now) => Events.Add($"datagram {flow} {payload.Length}");
    public void OnEcho(in EchoRequest request, long now) => Events.Add($"echo {request.Identifier} {request.Sequence} {request.Payload.Length}");

    public void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
    {
        Received.Append(Encoding.ASCII.GetString(bytes));
        connection.SetReceiveSpace(Space);
    }

    public void OnEnd(TcpConnection connection, long now) => Events.Add("end");
    public void OnSendSpace(TcpConnection connection, int acknowledged, long now) => Acknowledged += acknowledged;
    public void OnReset(TcpConnection connection, long now) => Events.Add("reset");
    public void OnClosed(TcpConnection connection, long now) => Events.Add("closed");

    private SentSegment Parse(byte[] frame)
    {
        Assert.True(VirtioNetHeader.TryRead(frame, out VirtioNetHeader virtio));
        ReadOnlySpan<byte> packet = frame.AsSpan(VirtioNetHeader.Size);
        ReadOnlySpan<byte> payload;
        if (packet[0] >> 4 == 4)
        {
            Assert.True(IPv4Header.TryParse(packet, out IPv4Header ip));
            Assert.True(ip.IsChecksumValid);
            Assert.Equal(Source, ip.Destination);
            payload = ip.Payload;
        }
        else
        {
            Assert.True(IPv6Header.TryParse(packet, false, out IPv6Header ip));
            Assert.Equal(Source, ip.Destination);
            payload = ip.Payload;
        }
        Assert.True(TcpHeader.TryParse(payload, out TcpHeader tcp));
        Assert.Equal(80, tcp.SourcePort);
        Assert.Equal(SourcePort, tcp.DestinationPort);
        ulong sum = Checksum.PseudoHeader(Destination, Source, IpProtocol.Tcp, payload.Length);
        if ((virtio.Flags & VirtioNetHeader.NeedsChecksum) != 0)
            Assert.Equal(Checksum.Fold(sum), BitConverter.ToUInt16(payload[TcpHeader.ChecksumOffset..]));
        else
            Assert.True(Checksum.IsValid(Checksum.Add(sum, payload)));
        if (tcp.Flags == SA)
            _initial = tcp.Sequence;
        TcpOptions options = TcpOptions.Parse(tcp.Options);
        uint first = PeerInitial + 1;
        (int, int)[] sack = new (int, int)[options.SackBlockCount];
        for (int i = 0; i < sack.Length; i++)
            sack[i] = ((int)(options.SackBlock(i).Left - first), (int)(options.SackBlock(i).Right - first));
        return new SentSegment(
            tcp.Flags, (int)(tcp.Sequence - _initial - 1), tcp.Has(A) ? (int)(tcp.Acknowledgment - first) : 0, tcp.Window, tcp.Payload.ToArray(),
            options.MaximumSegmentSize, options.WindowShift, options.SackPermitted, sack, virtio.GsoType == 0 ? 0 : virtio.GsoSize);
    }
}
