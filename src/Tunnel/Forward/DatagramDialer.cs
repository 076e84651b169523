using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Serves the streams that ask for a UDP flow or for pings: one connected socket per stream. Flows that have been idle for too long are
/// reset. Both sides of a session use this class.
/// </summary>
public sealed class DatagramDialer : ITurnHandler
{
    private const int MaxDatagram = 65_536;

    private readonly LinkedList<DatagramFlow> _byIdleness = [];
    private readonly long _idleTimeout;

    /// <summary>Makes a dialer and adds it to the loop. On the loop's thread.</summary>
    /// <param name="loop">Whose thread this is.</param>
    /// <param name="idleTimeout">How long a flow may be silent, in microseconds.</param>
    public DatagramDialer(EventLoop loop, long idleTimeout)
    {
        Loop = loop;
        _idleTimeout = idleTimeout;
        loop.AddTurnHandler(this);
    }

    /// <summary>Flows that are open.</summary>
    public int OpenCount => _byIdleness.Count;

    /// <inheritdoc/>
    public long NextDeadline => _byIdleness.First is { } longest ? longest.Value.LastActivity + _idleTimeout : long.MaxValue;

    internal EventLoop Loop { get; }

    /// <summary>What a datagram is received into; all flows share it.</summary>
    internal byte[] Buffer { get; } = new byte[MaxDatagram];

    /// <summary>Where a datagram gets another header; all flows share it.</summary>
    internal byte[] Scratch { get; } = new byte[MaxDatagram];

    /// <summary>Serves a <see cref="StreamKind.Udp"/> stream with a socket of another namespace.</summary>
    public void DialUdp(MuxStream stream, DialCandidate candidate, ushort port, long now)
    {
        if (Connect(stream, new TargetAddress(candidate.Address, port), 0, now, candidate.Source) is not { } socket)
            return;
        Begin(new DatagramRelay(this, socket, stream, now), stream, now);
    }

    /// <summary>Serves a <see cref="StreamKind.Udp"/> stream that the peer has just opened.</summary>
    public void DialUdp(MuxStream stream, TargetAddress target, long now)
    {
        if (Connect(stream, target, 0, now) is not { } socket)
            return;
        Begin(new DatagramRelay(this, socket, stream, now), stream, now);
    }

    /// <summary>Serves a <see cref="StreamKind.Echo"/> stream that the peer has just opened; the target's port does not matter.</summary>
    public void DialEcho(MuxStream stream, TargetAddress target, long now)
    {
        int protocol = target.Address.IsIPv4 ? Libc.IPPROTO_ICMP : Libc.IPPROTO_ICMPV6;
        if (Connect(stream, target, protocol, now) is not { } socket)
            return;
        Begin(new EchoProber(this, socket, stream, target.Address.IsIPv4, now), stream, now);
    }

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        while (_byIdleness.First is { } longest && longest.Value.LastActivity + _idleTimeout <= now)
            longest.Value.Fail(RefuseCode.TimedOut, now);
    }

    /// <summary>Whether the kernel lets this process ping: the sysctl net.ipv4.ping_group_range includes one of its groups.</summary>
    public static bool MayPing()
    {
        using FileDescriptor? socket = SocketOptions.Open(Libc.AF_INET, Libc.SOCK_DGRAM, Libc.IPPROTO_ICMP);
        return socket is not null;
    }

    internal void Touch(DatagramFlow flow, long now)
    {
        flow.LastActivity = now;
        if (_byIdleness.Last == flow.Node)
            return;
        _byIdleness.Remove(flow.Node);
        _byIdleness.AddLast(flow.Node);
    }

    internal void Forget(DatagramFlow flow) => _byIdleness.Remove(flow.Node);

    internal void Begin(DatagramFlow flow, MuxStream stream, long now)
    {
        _byIdleness.AddLast(flow.Node);
        stream.Accept(default, now);
        flow.Start();
    }

    private static FileDescriptor? Connect(MuxStream stream, TargetAddress target, int protocol, long now, ISocketSource? source = null)
    {
        if (target.Name is not null)
        {
            stream.Refuse(RefuseCode.Unsupported, "datagrams go to addresses, not to names", now);
            return null;
        }

        NetAddress address = target.Address;
        int error = 0;
        FileDescriptor? socket = source is null
            ? SocketOptions.Open(address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6, Libc.SOCK_DGRAM, protocol)
            : new DialCandidate(address, source).Open(Libc.SOCK_DGRAM, out error);
        if (socket is null)
        {
            Refuse(stream, source is null ? Libc.Errno : error, protocol, now);
            return null;
        }

        if (address.IsIPv4)
            SocketOptions.Set(socket.Number, Libc.IPPROTO_IP, Libc.IP_RECVERR, 1);
        else
            SocketOptions.Set(socket.Number, Libc.IPPROTO_IPV6, Libc.IPV6_RECVERR, 1);
        error = SocketOptions.Connect(socket, address, target.Port);
        if (error == 0)
            return socket;
        socket.Dispose();
        Refuse(stream, error, protocol, now);
        return null;
    }

    private static void Refuse(MuxStream stream, int errno, int protocol, long now)
    {
        string reason = errno == Libc.EACCES && protocol != 0
            ? "this pod may not ping: its sysctl net.ipv4.ping_group_range does not include its group"
            : Libc.Describe(errno);
        stream.Refuse(errno == Libc.EADDRNOTAVAIL ? RefuseCode.NetUnreachable : SocketOptions.ToRefuseCode(errno), reason, now);
    }
}
