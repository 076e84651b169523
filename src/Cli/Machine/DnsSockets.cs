using System.Net;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Machine;

/// <summary>The sockets of the machine's DNS server while it is connected. Port 53 takes root; whoever serves them does not need it.</summary>
/// <param name="Udp">Bound to port 53, one for each address; non-blocking.</param>
/// <param name="Tcp">Listening on port 53, one for each address; non-blocking.</param>
internal sealed record DnsSockets(IReadOnlyList<FileDescriptor> Udp, IReadOnlyList<FileDescriptor> Tcp)
{
    private const ushort Port = 53;
    private const int Backlog = 64;

    /// <summary>Opens them.</summary>
    /// <param name="addresses">Addresses of the TUN.</param>
    /// <exception cref="IOException">The port is taken; <see cref="Exception.HResult"/> is errno.</exception>
    internal static DnsSockets Open(IReadOnlyList<IPAddress> addresses)
    {
        List<FileDescriptor> udp = [], tcp = [];
        try
        {
            foreach (IPAddress address in addresses)
            {
                udp.Add(Bind(address, Libc.SOCK_DGRAM));
                tcp.Add(Bind(address, Libc.SOCK_STREAM));
                if (Libc.listen(tcp[^1].Number, Backlog) != 0)
                    throw Libc.Failure($"listening on {address} port {Port}");
            }
        }
        catch (IOException)
        {
            foreach (FileDescriptor socket in udp.Concat(tcp))
                socket.Dispose();
            throw;
        }

        return new DnsSockets(udp, tcp);
    }

    private static FileDescriptor Bind(IPAddress address, int type)
    {
        NetAddress own = NetAddress.FromIPAddress(address);
        int family = own.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;
        FileDescriptor socket = SocketOptions.Open(family, type) ?? throw Libc.Failure($"a socket for DNS on {address}");
        if (SocketOptions.Bind(socket, own, Port, family) == 0)
            return socket;
        IOException failure = Libc.Failure($"{address} port {Port}");
        socket.Dispose();
        throw failure;
    }
}
