using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Proxy;

/// <summary>The proxy's end of one client's session: hands each stream that the client opens to the service that it asks for.</summary>
internal sealed class ProxySession : IMuxSessionHandler
{
    private readonly ProxyServices _services;
    private readonly Action<string> _log;
    private readonly Action<MuxSession> _ended;
    private readonly string _name;
    private LinkPump? _pump;
    private bool _disposing;

    internal ProxySession(ProxyServices services, Action<string> log, Guid id, Action<MuxSession> ended)
    {
        _services = services;
        _log = log;
        _ended = ended;

        // Enough to tell sessions apart; the whole id is nobody's business.
        _name = $"session {id.ToString("N")[..8]}";
    }

    /// <summary>Moves the session's bytes; set once, before the first link.</summary>
    internal LinkPump Pump
    {
        get => _pump!;
        set
        {
            _pump = value;
            value.Detached = _ => DisposeIfEnded();
        }
    }

    internal MuxSession? Session { get; set; }

    public void OnEstablished(long now) => _log($"{_name} established, client {Session!.PeerVersion}");

    public void OnSuspended(string reason, long now) => _log($"{_name} lost its link ({reason}); {Session!.StreamCount} streams wait");

    public void OnResumed(long now) => _log($"{_name} resumed, {Session!.StreamCount} streams go on");

    public void OnEnded(string reason, long now)
    {
        MuxCounters counters = Session!.Counters;
        _log($"{_name} ended: {reason}; {counters.Links} links, {counters.StreamsOpened} streams, {counters.BytesReceived} bytes in, {counters.BytesSent} out");
        _ended(Session);
        if (!Pump.IsAttached)
            DisposeIfEnded();
    }

    public void OnLinkDead(string reason, long now) => Pump.Detach();

    public void OnOutput()
    {
        // The pump looks at the end of each turn.
    }

    public void OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        switch (stream.Kind)
        {
            case StreamKind.Dns:
                _services.Dns.Serve(stream, now);
                break;
            case StreamKind.Info:
                _services.Info.Serve(stream, now);
                break;
            case StreamKind.Files:
                _services.Files.Serve(stream, target, now);
                break;
            case StreamKind.Archive:
                _services.Archive.Serve(stream, target, now);
                break;
            case StreamKind.Tcp or StreamKind.Udp or StreamKind.Echo when TargetAddress.TryDecode(target, out TargetAddress address):
                Dial(stream, address, now);
                break;
            case StreamKind.Listen when ListenTarget.TryDecode(target, out ListenTarget listen):
                _services.Listener.Serve(Session!, stream, listen, now);
                break;
            case StreamKind.Tcp or StreamKind.Udp or StreamKind.Echo or StreamKind.Listen:
                stream.Refuse(RefuseCode.ProtocolError, "malformed target", now);
                break;
            default:
                stream.Refuse(RefuseCode.Unsupported, $"this proxy does not know streams of kind {stream.Kind}", now);
                break;
        }
    }

    private void Dial(MuxStream stream, TargetAddress address, long now)
    {
        if (stream.Kind == StreamKind.Tcp)
            _services.Tcp.Dial(stream, address, now);
        else if (stream.Kind == StreamKind.Udp)
            _services.Datagrams.DialUdp(stream, address, now);
        else
            _services.Datagrams.DialEcho(stream, address, now);
    }

    // The pump may be the caller, so it leaves the loop in the next turn.
    private void DisposeIfEnded()
    {
        if (Session!.State != SessionState.Ended || _disposing)
            return;
        _disposing = true;
        _services.Loop.Post(Pump.Dispose);
    }
}
