using System.Net;
using System.Net.Sockets;

namespace Telepresence.Rig.Load;

/// <summary>Blocking sockets: the kernel wakes the thread that waits, nothing stands in between.</summary>
internal static class Dial
{
    private const int TimeoutMilliseconds = 10_000;

    internal static Socket Tcp(IPEndPoint target)
    {
        Socket socket = new(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            SendTimeout = TimeoutMilliseconds,
            ReceiveTimeout = TimeoutMilliseconds,
        };
        socket.Connect(target);
        return socket;
    }

    /// <summary>Receives until <paramref name="buffer"/> is full.</summary>
    /// <exception cref="EndOfStreamException">The other side ended before that.</exception>
    internal static void ReceiveAll(Socket socket, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = socket.Receive(buffer);
            if (count == 0)
                throw new EndOfStreamException("The connection was closed too early.");
            buffer = buffer[count..];
        }
    }

    /// <summary>One byte there and back.</summary>
    internal static void RoundTrip(Socket socket)
    {
        Span<byte> one = [(byte)'x'];
        socket.Send(one);
        ReceiveAll(socket, one);
    }
}
