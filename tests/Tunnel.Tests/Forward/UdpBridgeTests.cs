using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class UdpBridgeTests : IMuxSessionHandler
{
    private readonly UdpBridge _bridge = new();
    private readonly MuxSession _session;

    public UdpBridgeTests() =>
        _session = new MuxSession(SessionRole.Client, new MuxSessionOptions { Version = "1", Key = new byte[32] }, new ChunkPool(), this, 0);

    [Fact]
    public void A_flow_is_opened_once_and_closed_when_it_was_silent_too_long()
    {
        _bridge.Send(Flow(1), [1], _session, 0);
        _bridge.Send(Flow(1), [2], _session, 1000);
        Assert.Equal(1, _bridge.Count);
        Assert.Equal(1, _session.StreamCount);
        Assert.Equal(1000 + UdpBridge.IdleTimeout, _bridge.NextDeadline);
        _bridge.Poll(1000 + UdpBridge.IdleTimeout - 1);
        Assert.Equal(1, _bridge.Count);
        _bridge.Poll(1000 + UdpBridge.IdleTimeout);
        Assert.Equal(0, _bridge.Count);
        Assert.Equal(0, _session.StreamCount);
        Assert.Equal(long.MaxValue, _bridge.NextDeadline);
    }

    [Fact]
    public void The_flow_that_was_used_last_expires_last()
    {
        for (ushort port = 1; port <= 3; port++)
            _bridge.Send(Flow(port), [1], _session, port);
        _bridge.Send(Flow(1), [1], _session, 10);
        _bridge.Send(Flow(2), [1], _session, 11);
        _bridge.Poll(3 + UdpBridge.IdleTimeout);
        Assert.Equal(2, _bridge.Count);
        _bridge.Poll(10 + UdpBridge.IdleTimeout);
        Assert.Equal(1, _bridge.Count);
        Assert.Equal(11 + UdpBridge.IdleTimeout, _bridge.NextDeadline);
    }

    [Fact]
    public void One_flow_too_many_closes_the_one_that_was_silent_longest()
    {
        for (int port = 1; port <= UdpBridge.MaxFlows + 1; port++)
            _bridge.Send(Flow((ushort)port), [1], _session, port);
        Assert.Equal(UdpBridge.MaxFlows, _bridge.Count);
        Assert.Equal(2 + UdpBridge.IdleTimeout, _bridge.NextDeadline);
    }

    [Fact]
    public void An_ended_session_closes_its_flows()
    {
        _bridge.Send(Flow(1), [1], _session, 0);
        _session.End("test", 1);
        Assert.Equal(0, _bridge.Count);
        _bridge.Send(Flow(1), [1], _session, 2);
        Assert.Equal(0, _bridge.Count);
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

    void IMuxSessionHandler.OnEnded(string reason, long now)
    {
    }

    void IMuxSessionHandler.OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
    }

    void IMuxSessionHandler.OnLinkDead(string reason, long now)
    {
    }

    void IMuxSessionHandler.OnOutput()
    {
    }

    private static FlowKey Flow(ushort port) => new(NetAddress.Parse("198.18.77.1"), port, NetAddress.Parse("10.0.0.1"), 53);
}
