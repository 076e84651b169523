using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Serves streams of kind <see cref="StreamKind.Listen"/>: binds a port, and opens a stream towards the other side for everybody who calls
/// (<see cref="AcceptedTarget"/>). The port is open for as long as the stream is. Both sides of a session use this class.
/// </summary>
/// <remarks>
/// The kernel accepts a TCP caller before the other side can be asked. So that callers of a port that nobody serves are refused all the
/// same, the other side says beforehand whether somebody does; should that change meanwhile, the caller is reset. Connections outlive the
/// listener, and both outlive a lost link: callers wait meanwhile.
/// </remarks>
public sealed class PortListener(EventLoop loop, ChunkPool pool)
{
    /// <summary>Ports that are open.</summary>
    public int OpenCount { get; private set; }

    /// <summary>Serves <paramref name="stream"/>, which the peer of <paramref name="session"/> has just opened.</summary>
    public void Serve(MuxSession session, MuxStream stream, ListenTarget target, long now)
    {
        ushort port = target.Address.Port;
        int type = target.IsUdp ? Libc.SOCK_DGRAM : Libc.SOCK_STREAM;
        NetAddress address = target.Address.Address;
        FileDescriptor? socket = Bind(type, address, port, out int family, out int error);
        if (socket is null && address == NetAddress.Parse("::") && error is Libc.EAFNOSUPPORT or Libc.EADDRNOTAVAIL)
            socket = Bind(type, address = NetAddress.FromIPv4(0), port, out family, out error);
        if (socket is null)
        {
            stream.Refuse(SocketOptions.ToRefuseCode(error), Explain(error, target), now);
            return;
        }

        OpenCount++;
        stream.Accept(new TargetAddress(address, SocketOptions.LocalPort(socket)).ToBytes(), now);
        if (target.IsUdp)
            new UdpListener(loop, session, stream, socket, family, Closed).Start();
        else
            new TcpListener(loop, pool, session, stream, socket, Closed).Start();
    }

    private static FileDescriptor? Bind(int type, NetAddress address, ushort port, out int family, out int error)
    {
        family = address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;
        FileDescriptor? socket = SocketOptions.Open(family, type);
        if (socket is null)
        {
            error = Libc.Errno;
            return null;
        }

        if (family == Libc.AF_INET6)
            SocketOptions.Set(socket.Number, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 0);

        // Connections of an earlier listener that linger in TIME-WAIT must not block the port. For UDP the option would let two share it.
        if (type == Libc.SOCK_STREAM)
            SocketOptions.Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        error = SocketOptions.Bind(socket, address, port, family);

        // A port that the kernel chose is given back when its socket stops to listen; one that was asked for stays. Both sockets have it for a
        // moment, so that nobody else gets it. The first one never listens: a process that is just being started has a copy of it, which the
        // second one could not listen beside.
        if (error == 0 && port == 0 && type == Libc.SOCK_STREAM)
        {
            using FileDescriptor chosen = socket;
            return Bind(type, address, SocketOptions.LocalPort(chosen), out family, out error);
        }

        // Bound alone, a port could still be taken by another socket with the same option; once it has listened, no more.
        if (error == 0 && type == Libc.SOCK_STREAM)
            error = TcpListener.Listen(socket);
        if (error == 0)
            return socket;
        socket.Dispose();
        return null;
    }

    private static string Explain(int errno, ListenTarget target)
    {
        string what = $"{(target.IsUdp ? "UDP" : "TCP")} port {target.Address.Port}";
        return errno switch
        {
            Libc.EADDRINUSE => $"{what} is already in use there",
            Libc.EACCES => $"{what} may not be opened there: the sysctl net.ipv4.ip_unprivileged_port_start is higher",
            Libc.EADDRNOTAVAIL => $"{target.Address.Address} is not an address of that host",
            _ => $"{what}: {Libc.Describe(errno)}",
        };
    }

    private void Closed() => OpenCount--;
}
