using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Tests.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>Local programs in front of the stack, a proxy behind the session, packets written by hand, in fake time.</summary>
public sealed class TcpBridgeTests : IPacketOutput
{
    private const uint ProgramsSequence = 1000;
    private const ushort FirstPort = 40_000;

    private static readonly NetAddress Program = NetAddress.Parse("10.77.0.1"), Service = NetAddress.Parse("10.96.0.1");

    private readonly Tests.Mux.SessionPair _pair;
    private readonly NetworkStack _stack;
    private readonly List<byte[]> _sent = [];

    public TcpBridgeTests()
    {
        _pair = Tests.Mux.SessionPair.Connected(new MuxSessionOptions { Version = "1", MaxSendMemory = 100_000 });
        FlowForwarder forwarder = new() { Session = _pair.Client };
        _stack = new NetworkStack(new StackOptions(), new ChunkPool(), this, forwarder);
        forwarder.Attach(_stack);
    }

    [Fact]
    public void Programs_that_use_up_the_memory_together_lose_nothing()
    {
        const int Programs = 4;
        byte[] text = LinkPumpTests.RandomBytes(60_000);
        for (ushort i = 0; i < Programs; i++)
            Send(i, TcpFlags.Syn, 0, 0, []);
        Pass();
        uint[] theirs = [.. _sent.Select(frame => Segment(frame).Sequence)];
        Assert.Equal(Programs, theirs.Length);

        // Each keeps to the window that it was shown; together they send more than the session's memory holds.
        for (ushort i = 0; i < Programs; i++)
            Send(i, TcpFlags.Ack, 1, theirs[i] + 1, text);
        Pass();
        Assert.Equal(Programs, _pair.ServerEnd.Opened.Count);
        Assert.All(_pair.ServerEnd.Opened, stream => Assert.Equal(text, stream.Received));

        // And each may send on.
        _sent.Clear();
        for (ushort i = 0; i < Programs; i++)
            Send(i, TcpFlags.Ack, 1 + (uint)text.Length, theirs[i] + 1, text);
        Pass();
        Assert.All(_pair.ServerEnd.Opened, stream => Assert.Equal(2 * text.Length, stream.Received.Count));
    }

    [Fact]
    public void A_program_that_gives_up_while_the_far_side_is_dialed_ends_the_stream()
    {
        _pair.ServerEnd.OnOpen = (_, _) => { };
        Send(0, TcpFlags.Syn, 0, 0, []);
        Pass();
        Assert.Empty(_sent);
        Send(0, TcpFlags.Rst, 1, 0, []);
        Pass();
        Assert.Equal(["reset ConnectionReset"], _pair.ServerEnd.Opened[0].Events);
        Assert.Equal((0, 0, 0), (_stack.ConnectionCount, _pair.Client.StreamCount, _pair.Server.StreamCount));
    }

    [Fact]
    public void A_session_that_ends_resets_the_connections_that_it_carries()
    {
        Send(0, TcpFlags.Syn, 0, 0, []);
        Pass();
        Send(0, TcpFlags.Ack, 1, Segment(_sent[0]).Sequence + 1, []);
        _sent.Clear();
        _pair.Client.End("test", _pair.Now);
        Assert.True(Segment(Assert.Single(_sent)).Has(TcpFlags.Rst));
        Assert.Equal(0, _stack.ConnectionCount);
    }

    bool IPacketOutput.Send(ReadOnlySpan<IoVector> vectors)
    {
        _sent.Add(FaultyLink.Join(vectors));
        return true;
    }

    private static TcpHeader Segment(byte[] frame)
    {
        Assert.True(IPv4Header.TryParse(frame.AsSpan(VirtioNetHeader.Size), out IPv4Header ip));
        Assert.True(TcpHeader.TryParse(ip.Payload, out TcpHeader segment));
        return segment;
    }

    private void Send(ushort program, TcpFlags flags, uint offset, uint acknowledgment, byte[] text) => _stack.Receive(
        PacketBuilder.Tcp(
            Program, (ushort)(FirstPort + program), Service, 80, ProgramsSequence + offset, acknowledgment, flags, 65_535,
            offset == 0 ? SegmentHarness.UsualOptions : [], text),
        _pair.Now);

    private void Pass()
    {
        _stack.Flush(_pair.Now);
        _pair.Run(1_000_000);
        _stack.Flush(_pair.Now);
    }
}
