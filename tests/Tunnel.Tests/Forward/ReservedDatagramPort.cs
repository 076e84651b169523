using System.Net;
using System.Net.Sockets;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>
/// A UDP port of the loopback address that is nobody's: a socket is bound to it and connected to itself, so the kernel tells all others that
/// the port is unreachable, and gives the number to no other socket.
/// </summary>
internal sealed class ReservedDatagramPort : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);

    internal ReservedDatagramPort()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _socket.Connect(_socket.LocalEndPoint!);
    }

    internal ushort Number => (ushort)((IPEndPoint)_socket.LocalEndPoint!).Port;

    public void Dispose() => _socket.Dispose();
}
