using System.Net.Sockets;

using Telepresence.Cli.Cluster;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Tests.Cluster;

/// <summary>Carries bytes over a framed link in place of a session's pump, in pieces of odd lengths.</summary>
internal sealed class LinkCarrier : IDisposable
{
    private readonly PortForwardLink _link;
    private readonly Socket _socket;
    private readonly Random _random = new(11);

    internal LinkCarrier(PortForwardLink link)
    {
        _link = link;
        _socket = new Socket(new SafeSocketHandle(link.Socket.Take(), ownsHandle: true));
    }

    /// <summary>Sends all bytes.</summary>
    internal async Task SendAsync(byte[] bytes)
    {
        byte[] message = new byte[_link.MaxMessage + _link.Overhead];
        for (int begin = 0; begin < bytes.Length;)
        {
            byte[] part = bytes[begin..Math.Min(bytes.Length, begin + 1 + _random.Next(_link.MaxMessage))];
            ReadOnlyMemory<byte> left = message.AsMemory(0, Wrap(_link, part, message));
            while (!left.IsEmpty)
                left = left[await _socket.SendAsync(left)..];
            begin += part.Length;
        }
    }

    /// <summary>Receives so many bytes; fewer when the link ends before.</summary>
    internal async Task<byte[]> ReceiveAsync(int count)
    {
        byte[] piece = new byte[70_001];
        List<byte> received = new(count);
        while (received.Count < count && _link.End is null && await _socket.ReceiveAsync(piece.AsMemory()) is > 0 and int length)
            received.AddRange(piece.AsSpan(0, _link.Unwrap(piece.AsSpan(0, length))));
        return [.. received];
    }

    /// <summary>Makes a message of the two halves of a part.</summary>
    internal static int Wrap(ILinkFraming framing, byte[] part, byte[] message)
    {
        byte[] pinned = GC.AllocateUninitializedArray<byte>(part.Length, pinned: true);
        part.CopyTo(pinned, 0);
        int half = part.Length / 2;
        IoVector[] vectors = [new(pinned.AsSpan(half)), new(pinned.AsSpan(half))];
        if (half > 0)
            vectors[0] = new IoVector(pinned.AsSpan(0, half));
        return framing.Wrap(half > 0 ? vectors : vectors.AsSpan(1), message);
    }

    public void Dispose() => _socket.Dispose();
}
