using System.Net;
using System.Net.Sockets;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>
/// A TCP port of the loopback address that is nobody's: a socket is bound to it and does not listen, so connections are refused, the kernel
/// gives the number to no other socket, and a server that sets SO_REUSEADDR, as ours do, can listen there.
/// </summary>
internal sealed class ReservedPort : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    internal ReservedPort()
    {
        _socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
    }

    internal ushort Number => (ushort)((IPEndPoint)_socket.LocalEndPoint!).Port;

    public void Dispose() => _socket.Dispose();
}
