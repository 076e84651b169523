using System.Net;
using System.Net.Sockets;

using Telepresence.Dns;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Engine.Dns;

/// <summary>
/// The machine's DNS server while it is connected: port 53 on the TUN's own addresses in front, the resolver in the middle, the machine's
/// name servers and the cluster's behind. On the loop's thread throughout.
/// </summary>
internal sealed class DnsServer : IDnsTransport, ITurnHandler, IDisposable
{
    // A link that comes back sooner is not noticed by names; one that does not must not make every name wait.
    private const long LinkPatience = 3_000_000;

    private readonly EventLoop _loop;
    private readonly ChunkPool _pool;
    private readonly IOutsideRoutes _outside;
    private readonly ClusterNameServer _cluster;
    private readonly List<DnsUdpSocket> _udp = [];
    private readonly List<DnsTcpListener> _tcp = [];
    private readonly OwnLookups _own = new();
    private LocalNameServer?[] _local = [];
    private long _unreachableAt = long.MaxValue;

    internal DnsServer(EventLoop loop, ChunkPool pool, DnsRules rules, IOutsideRoutes outside)
    {
        _loop = loop;
        _pool = pool;
        _outside = outside;
        Resolver = new Resolver(rules, this);
        _cluster = new ClusterNameServer(Resolver);
        loop.AddTurnHandler(this);
    }

    internal Resolver Resolver { get; }

    /// <inheritdoc/>
    public long NextDeadline
    {
        get
        {
            long deadline = Math.Min(Resolver.NextDeadline, _unreachableAt);
            foreach (DnsTcpListener listener in _tcp)
                deadline = Math.Min(deadline, listener.NextDeadline);
            return deadline;
        }
    }

    /// <summary>Serves a UDP socket that is bound to port 53.</summary>
    internal void AddUdp(FileDescriptor socket) => _udp.Add(new DnsUdpSocket(_loop, socket, (ushort)_udp.Count, Resolver));

    /// <summary>Serves a TCP socket that listens on port 53.</summary>
    internal void AddTcp(FileDescriptor socket) => _tcp.Add(new DnsTcpListener(_loop, socket, (ushort)_tcp.Count, Resolver, _pool));

    /// <summary>Says which session reaches the cluster's name server, or that none does.</summary>
    internal void SetSession(MuxSession? session, long now)
    {
        _cluster.Session = session;
        _unreachableAt = long.MaxValue;
        Resolver.SetClusterReachable(session is not null, now);
    }

    /// <summary>Says that the session has lost its link, or has it again.</summary>
    internal void SetLink(bool up, long now)
    {
        _unreachableAt = up ? long.MaxValue : now + LinkPatience;
        if (up)
            Resolver.SetClusterReachable(true, now);
    }

    /// <summary>Says which name servers the machine has of its own.</summary>
    internal void SetLocalServers(IReadOnlyList<IPEndPoint> servers, long now)
    {
        foreach (LocalNameServer? server in _local)
            server?.Dispose();
        _local = [.. servers.Take(Resolver.MaxLocalServers).Select((address, number) => OpenLocal(number, address))];
        Resolver.SetLocalServers(_local.Length, now);
    }

    /// <summary>Asks for a host's addresses of one kind, as a local program would.</summary>
    internal Task<IReadOnlyList<IPAddress>> LookUp(string host, bool ipv6, long now) => _own.Ask(Resolver, host, ipv6, now);

    /// <summary>Asks a question as a local program would; <paramref name="answered"/> gets the whole answer, null if it was no question.</summary>
    internal void Ask(ReadOnlySpan<byte> query, Action<byte[]?> answered, long now) => _own.Ask(Resolver, query, answered, now);

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (_unreachableAt <= now)
        {
            _unreachableAt = long.MaxValue;
            Resolver.SetClusterReachable(false, now);
        }

        if (Resolver.NextDeadline <= now)
            Resolver.Poll(now);
        foreach (DnsTcpListener listener in _tcp)
        {
            if (listener.NextDeadline <= now)
                listener.Poll(now);
        }
    }

    /// <inheritdoc/>
    public void Reply(in DnsClientToken client, ReadOnlySpan<byte> message, DnsOrigin origin)
    {
        if ((ushort)client.Tag == OwnLookups.Number)
            _own.Answered(client, message);
        else if (origin is DnsOrigin.Outside or DnsOrigin.Cluster && _outside.NeedsRoutes(message))
            ReplyWhenRouted(client, message.ToArray());
        else
            Send(client, message);
    }

    /// <inheritdoc/>
    public void SendToCluster(ReadOnlySpan<byte> query, bool overTcp) => _cluster.Send(query, _loop.Now);

    /// <inheritdoc/>
    public void SendToLocal(int server, ReadOnlySpan<byte> query, bool overTcp) => _local[server]?.Send(query, overTcp);

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.RemoveTurnHandler(this);
        foreach (DnsUdpSocket socket in _udp)
            socket.Dispose();
        foreach (DnsTcpListener listener in _tcp)
            listener.Dispose();
        foreach (LocalNameServer? server in _local)
            server?.Dispose();
    }

    // The program dials as soon as it has the answer, so the route must stand before. Rare: once for each address.
    private void ReplyWhenRouted(DnsClientToken client, byte[] message) =>
        _outside.RouteAsync(message).ContinueWith(_ => _loop.Post(() => Send(client, message)), TaskScheduler.Default);

    private void Send(in DnsClientToken client, ReadOnlySpan<byte> message)
    {
        int number = (ushort)client.Tag;
        if (client.IsTcp)
            _tcp[number].Reply(client, message, _loop.Now);
        else
            _udp[number].Reply(client, message);
    }

    private LocalNameServer? OpenLocal(int number, IPEndPoint address)
    {
        try
        {
            return new LocalNameServer(_loop, Resolver, number, address);
        }
        catch (SocketException)
        {
            // No route to this one (another network's server that is still listed): its questions go unanswered and move on.
            return null;
        }
    }
}
