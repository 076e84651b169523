using System.Net;

using Telepresence.Cli.Engine.Dns;
using Telepresence.Dns;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Tun;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Engine;

/// <summary>
/// What carries the traffic of a connected machine: one event loop with the session to the pod, the userspace stack behind the TUN, and
/// the DNS server. The composition root of the data path; nothing here touches the machine or the Kubernetes API.
/// </summary>
/// <remarks>
/// Two steps, because the second needs what the first learns: <see cref="ConnectAsync"/> makes a session and asks the proxy about itself;
/// <see cref="AttachNetworkAsync"/> then begins to serve the TUN and DNS. When the pod is lost, <see cref="ConnectAsync"/> again makes a
/// session with another one; the network stays.
/// </remarks>
public sealed class ConnectEngine : ISessionObserver, IAsyncDisposable
{
    private readonly EventLoop _loop = new();
    private readonly ChunkPool _pool = new();
    private readonly FlowForwarder _forwarder = new();
    private readonly EngineScope _scope;
    private readonly List<IEngineService> _services = [];
    private readonly Task _running;
    private ClusterSession? _session;
    private TunPump? _tun;
    private DnsServer? _dns;
    private DirectFlows? _direct;
    private string? _linkDown;

    /// <summary>Starts the loop.</summary>
    public ConnectEngine()
    {
        _scope = new EngineScope(_loop, _pool);
        _running = _loop.Start("telepresence data path");
    }

    /// <summary>Called when the link went down or came back; flows wait meanwhile. The argument is the reason, null when it is up. Any thread.</summary>
    public Action<string?>? LinkChanged { get; set; }

    /// <summary>Called when an established session is over; its flows were reset. The argument is the reason. Any thread.</summary>
    public Action<string>? SessionLost { get; set; }

    /// <summary>Takes the streams that the proxy opens; without it they are refused. Set before <see cref="ConnectAsync"/>.</summary>
    internal IInboundStreams? Inbound { get; set; }

    /// <summary>Ends when the loop has stopped; its fault is a bug that must end the daemon.</summary>
    public Task Running => _running;

    /// <summary>Makes a session, waits for it, and asks the proxy about itself.</summary>
    /// <param name="options">Version, session id and key.</param>
    /// <param name="source">Makes links to the pod.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The proxy's report, JSON.</returns>
    /// <exception cref="SessionLostException">The proxy refused (wrong version, wrong key), or is gone; the message says which.</exception>
    public async Task<byte[]> ConnectAsync(MuxSessionOptions options, ILinkSource source, CancellationToken cancellation)
    {
        ClusterSession session = await _loop.InvokeAsync(() => new ClusterSession(_loop, _pool, options, source, this)).ConfigureAwait(false);
        try
        {
            await session.Established.WaitAsync(cancellation).ConfigureAwait(false);
            InfoQuery info = new(session.Mux);
            await _loop.InvokeAsync(() => session.Mux.Open(StreamKind.Info, default, info, _loop.Now) ?? throw Lost(session)).ConfigureAwait(false);
            byte[] report = await info.Report.WaitAsync(cancellation).ConfigureAwait(false);
            await _loop.InvokeAsync(() => Adopt(session)).ConfigureAwait(false);
            return report;
        }
        catch
        {
            _loop.Post(() => Leave(session, "the client gave up"));
            throw;
        }
    }

    /// <summary>Begins to serve the machine's packets and questions.</summary>
    public Task AttachNetworkAsync(EngineNetwork network) => _loop.InvokeAsync(() => Attach(network));

    /// <summary>Adds a service. It is told of the present session at once, and of every later one.</summary>
    /// <param name="make">Makes it, on the loop's thread.</param>
    internal Task<T> AddServiceAsync<T>(Func<EngineScope, T> make)
        where T : IEngineService => _loop.InvokeAsync(() =>
        {
            T service = make(_scope);
            _services.Add(service);
            if (_scope.Session is { } session)
                service.OnSession(session, _loop.Now);
            return service;
        });

    /// <summary>Runs something on the loop's thread.</summary>
    internal Task<T> InvokeAsync<T>(Func<EngineScope, T> run) => _loop.InvokeAsync(() => run(_scope));

    /// <summary>Changes which names go where.</summary>
    public Task SetDnsRulesAsync(DnsRules rules) => _loop.InvokeAsync(() => _dns!.Resolver.Rules = rules);

    /// <summary>Says which name servers the machine has now.</summary>
    public Task SetLocalServersAsync(IReadOnlyList<IPEndPoint> servers) => _loop.InvokeAsync(() =>
    {
        _dns!.SetLocalServers(servers, _loop.Now);
        return servers.Count;
    });

    /// <summary>Changes what comes out of the TUN and must not go into the tunnel. Flows that are open stay as they are.</summary>
    public Task SetDirectAsync(IReadOnlyList<IPNetwork> networks) => _loop.InvokeAsync(() => SetDirect(networks));

    /// <summary>The addresses of a host as a local program would see them, both families; empty when there are none.</summary>
    /// <exception cref="FormatException">Not a DNS name.</exception>
    public async Task<IReadOnlyList<IPAddress>> LookUpAsync(string host)
    {
        Task<IReadOnlyList<IPAddress>> v4 = await _loop.InvokeAsync(() => _dns!.LookUp(host, ipv6: false, _loop.Now)).ConfigureAwait(false);
        Task<IReadOnlyList<IPAddress>> v6 = await _loop.InvokeAsync(() => _dns!.LookUp(host, ipv6: true, _loop.Now)).ConfigureAwait(false);
        return [.. await v4.ConfigureAwait(false), .. await v6.ConfigureAwait(false)];
    }

    /// <summary>What is going on at this moment.</summary>
    public Task<EngineStatus> GetStatusAsync() => _loop.InvokeAsync(() => new EngineStatus
    {
        Session = _session?.Mux.State.ToString() ?? "None",
        Reason = _session is null ? null : _linkDown ?? _session.LinkFailure,
        RoundTripMicroseconds = _session?.Mux.LastRoundTrip ?? 0,
        Streams = _session?.Mux.StreamCount ?? 0,
        Mux = _session?.Mux.Counters ?? default,
        Stack = _tun?.Stack.Counters,
        Dns = _dns?.Resolver.Counters,
        BufferedBytes = _pool.InUse,
    });

    void ISessionObserver.OnLink(bool up, string? reason, long now)
    {
        _linkDown = up ? null : reason;
        _dns?.SetLink(up, now);
        LinkChanged?.Invoke(_linkDown);
    }

    void ISessionObserver.OnStreamOpened(ClusterSession session, MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        if (Inbound is null)
            stream.Refuse(RefuseCode.Unsupported, "this client takes no connections", now);
        else
            Inbound.OnStreamOpened(session.Mux, stream, target, now);
    }

    void ISessionObserver.OnEnded(ClusterSession session, string reason, long now)
    {
        if (session != _session)
            return;
        _session = null;
        Tell(null, now);

        // The session's own pump may be calling: it leaves the loop in the next turn, behind its goodbye.
        _loop.Post(session.Dispose);
        SessionLost?.Invoke(reason);
    }

    /// <summary>Says goodbye to the proxy and stops the loop.</summary>
    public async ValueTask DisposeAsync()
    {
        await _loop.InvokeAsync(Close).ConfigureAwait(false);
        _loop.Stop();
        await _running.ConfigureAwait(false);
        _loop.Dispose();
    }

    private static SessionLostException Lost(ClusterSession session) => new(session.Mux.EndReason ?? "the session takes no streams");

    private bool Adopt(ClusterSession session)
    {
        // Its end was nobody's concern while it was not ours, and will not be told again.
        if (session.Mux.State == SessionState.Ended)
            throw Lost(session);
        ClusterSession? old = _session;
        _session = session;
        Tell(session.Mux, _loop.Now);
        if (old is not null)
            Leave(old, "the client has another session");
        return true;
    }

    private void Tell(MuxSession? session, long now)
    {
        _scope.Session = session;
        _forwarder.Session = session;
        _dns?.SetSession(session, now);
        foreach (IEngineService service in _services)
            service.OnSession(session, now);
    }

    private bool Attach(EngineNetwork network)
    {
        _loop.AddTurnHandler(new MemoryTrimmer(_pool));
        if (network.Tun is { } tun)
        {
            _tun = new TunPump(_loop, TunDevice.FromDescriptor(tun), new StackOptions { Mtu = network.Mtu }, _pool, _forwarder);
            _forwarder.Attach(_tun.Stack);
            SetDirect(network.Direct);
            _loop.AddTurnHandler(_forwarder);
        }

        _scope.Names = _dns = new DnsServer(_loop, _pool, network.DnsRules, new OutsideRoutes(network.Routes, network.RouteOutside));
        foreach (FileDescriptor socket in network.DnsUdp)
            _dns.AddUdp(socket);
        foreach (FileDescriptor socket in network.DnsTcp)
            _dns.AddTcp(socket);
        _dns.SetLocalServers(network.LocalServers, _loop.Now);
        _dns.SetSession(_session?.Mux, _loop.Now);
        return true;
    }

    private bool SetDirect(IReadOnlyList<IPNetwork> networks)
    {
        NetworkSet set = new(networks);
        if (_direct is not null)
            _direct.Networks = set;
        else if (!set.IsEmpty)
            _forwarder.Direct = _direct = new DirectFlows(_loop, _pool, set);
        return true;
    }

    // Without the goodbye the proxy would keep its end for a quarter of an hour. The session leaves the loop behind it, in the next turn.
    private void Leave(ClusterSession session, string reason)
    {
        session.Mux.End(reason, _loop.Now);
        _loop.Post(session.Dispose);
    }

    private bool Close()
    {
        ClusterSession? session = _session;
        _session = null;
        Tell(null, _loop.Now);
        foreach (IEngineService service in _services)
            service.Dispose();
        _dns?.Dispose();
        _direct?.Dispose();
        if (session is not null)
            Leave(session, "the client said goodbye");

        if (_tun is not null)
        {
            _loop.RemoveTurnHandler(_forwarder);
            _tun.Dispose();
        }

        return true;
    }
}
