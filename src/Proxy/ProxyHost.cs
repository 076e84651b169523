using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Proxy;

/// <summary>Puts the proxy together: one loop, one door, and the services that sessions share.</summary>
/// <remarks>
/// Limits are chosen so that a pod with 256 MiB lives: what sessions may queue adds up to less than that even when all of them fill
/// their share, and idle memory goes back to the system (<see cref="MemoryTrimmer"/>).
/// </remarks>
internal sealed class ProxyHost : IDisposable
{
    private const int MaxSessions = 8, MaxPendingLinks = 32, Backlog = 64;
    private const long SessionMemory = 12 << 20;
    private const long HelloTimeout = 10_000_000, DialTimeout = 30_000_000, DatagramIdleTimeout = 180_000_000;

    private readonly ChunkPool _pool = new();
    private readonly List<FileDescriptor> _listeners = [];
    private readonly Dictionary<MuxSession, ProxySession> _owners = [];
    private readonly Action<string> _log;
    private readonly MuxAcceptor _acceptor;
    private readonly LinkAcceptor _door;
    private readonly ProxyServices _services;

    /// <summary>Makes a proxy on <paramref name="loop"/>; <see cref="Listen"/> opens it.</summary>
    internal ProxyHost(EventLoop loop, ProxySettings settings, string version, IReadOnlyList<TargetAddress> nameServers, Action<string> log)
    {
        Loop = loop;
        _log = log;
        _services = new ProxyServices(
            loop,
            new PortDialer(loop, _pool, DialTimeout),
            new DatagramDialer(loop, DatagramIdleTimeout),
            new DnsRelay(loop, nameServers, new DnsRelay.Settings()),
            new PortListener(loop, _pool),
            new InfoService(new PodInspector(version, DateTimeOffset.UtcNow, nameServers)),
            new FilesHost(loop, _pool, log),
            new ArchiveService(loop, _pool, log));
        MuxSessionOptions options = new()
        {
            Version = version,
            SessionTimeout = settings.SessionTimeout,
            MaxSendMemory = SessionMemory,
            MaxReceiveMemory = SessionMemory,
        };
        _acceptor = new MuxAcceptor(options, settings.KeyHash, MaxSessions, CreateSession);
        _door = new LinkAcceptor(loop, _acceptor, Admit, log, MaxPendingLinks, HelloTimeout);
        loop.AddTurnHandler(new MemoryTrimmer(_pool));
    }

    internal EventLoop Loop { get; }

    /// <summary>The port that <see cref="Listen"/> bound.</summary>
    internal ushort Port { get; private set; }

    /// <summary>Whether a session still has a link over which its goodbye may be on its way.</summary>
    internal bool HasLinks => _acceptor.Sessions.Any(static session => session.IsLinkUp && session.HasOutput);

    /// <summary>Whether a session has a link.</summary>
    internal bool HasClient => _acceptor.Sessions.Any(static session => session.IsLinkUp && session.State != SessionState.Ended);

    /// <summary>Opens the door on the pod's loopback, both families.</summary>
    /// <param name="port">The port; 0 for any.</param>
    /// <exception cref="IOException">The port is taken.</exception>
    internal void Listen(ushort port)
    {
        Port = ListenOn(NetAddress.FromIPv4(0x7f00_0001), port) ?? throw Libc.Failure($"listening on 127.0.0.1:{port}");

        // A pod may be without IPv6; the port-forward then comes over IPv4 anyway.
        ListenOn(NetAddress.Parse("::1"), Port);
        _log($"listening on loopback port {Port}");
    }

    /// <summary>Ends every session with a goodbye and takes no new links.</summary>
    internal void SayGoodbye(string reason)
    {
        _log(reason);
        foreach (MuxSession session in _acceptor.Sessions)
            session.End(reason, Loop.Now);
    }

    public void Dispose()
    {
        _door.Dispose();
        foreach (FileDescriptor listener in _listeners)
            listener.Dispose();
    }

    private ushort? ListenOn(NetAddress address, ushort port)
    {
        int family = address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;
        FileDescriptor? socket = SocketOptions.Open(family, Libc.SOCK_STREAM);
        if (socket is null)
            return null;
        SocketOptions.Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        if (SocketOptions.Bind(socket, address, port, family) != 0 || Libc.listen(socket.Number, Backlog) != 0)
        {
            socket.Dispose();
            return null;
        }

        _listeners.Add(socket);
        _door.Listen(socket);
        return SocketOptions.LocalPort(socket);
    }

    private MuxSession CreateSession(MuxSessionOptions options, long now)
    {
        ProxySession owner = new(_services, _log, options.SessionId, ended => _owners.Remove(ended));
        MuxSession session = new(SessionRole.Server, options, _pool, owner, now);
        owner.Session = session;
        owner.Pump = new LinkPump(Loop, session);
        _owners.Add(session, owner);
        return session;
    }

    private void Admit(MuxSession session, FileDescriptor link, ReadOnlySpan<byte> rest, long now)
    {
        _owners[session].Pump.Attach(link);
        if (!rest.IsEmpty)
            session.Receive(rest, now);
    }
}
