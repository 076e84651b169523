using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Gives each new flow of the local programs its bridge into the session.
/// </summary>
/// <remarks>Outlives sessions: when a pod was lost and another stands in, new flows go into the new session.</remarks>
public sealed class FlowForwarder : IFlowHandler, ITurnHandler
{
    private readonly UdpBridge _udp = new();
    private readonly EchoBridge _echo = new();
    private MuxSession? _session;
    private DirectFlows? _direct;

    /// <summary>The session that carries new flows, or null while there is none: flows are then refused at once.</summary>
    public MuxSession? Session
    {
        get => _session;
        set
        {
            _session = value;
            _echo.SessionChanged();
        }
    }

    /// <summary>Takes the flows that must not go through the session, or null when there are none. Not owned.</summary>
    public DirectFlows? Direct
    {
        get => _direct;
        set
        {
            _direct = value;
            if (value is not null)
                value.Stack = Stack;
        }
    }

    /// <inheritdoc/>
    public long NextDeadline => _direct is null ? _udp.NextDeadline : Math.Min(_udp.NextDeadline, _direct.NextDeadline);

    private NetworkStack? Stack => _udp.Stack;

    /// <summary>Says where answers go. Called once, before the device is read.</summary>
    public void Attach(NetworkStack stack)
    {
        _udp.Stack = stack;
        _echo.Stack = stack;
        if (_direct is not null)
            _direct.Stack = stack;
    }

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (_udp.NextDeadline <= now)
            _udp.Poll(now);
        if (_direct is not null && _direct.NextDeadline <= now)
            _direct.Poll(now);
    }

    /// <inheritdoc/>
    public void OnTcpOpen(TcpConnection connection, long now)
    {
        if (_direct is not null && _direct.Covers(connection.Flow.Destination))
            _direct.Open(connection, now);
        else if (_session is null)
            connection.Refuse(RefusalReason.NetUnreachable, now);
        else
            TcpBridge.Open(connection, _session, now);
    }

    /// <inheritdoc/>
    public void OnDatagram(in FlowKey flow, ReadOnlySpan<byte> payload, long now)
    {
        if (_direct is not null && _direct.Covers(flow.Destination))
            _direct.Send(flow, payload, now);
        else if (_session is null)
            Stack?.SendUnreachable(flow, RefusalReason.NetUnreachable, now);
        else
            _udp.Send(flow, payload, _session, now);
    }

    /// <inheritdoc/>
    public void OnEcho(in EchoRequest request, long now)
    {
        if (_session is not null)
            _echo.Send(request, _session, now);
    }
}
