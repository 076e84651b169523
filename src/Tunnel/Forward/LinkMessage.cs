using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>The message of a framed link that is being written. The session counts it as sent: of a message there is no taking back.</summary>
/// <param name="framing">Makes it.</param>
internal sealed unsafe class LinkMessage(ILinkFraming framing)
{
    // Arrays begin 16 bytes behind an aligned address, from where the kernel copies fast.
    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(framing.MaxMessage + framing.Overhead, pinned: true);
    private int _begin;
    private int _end;

    /// <summary>What stands around the session's bytes.</summary>
    internal ILinkFraming Framing => framing;

    /// <summary>Bytes that the socket has not taken yet.</summary>
    internal int Left => _end - _begin;

    /// <summary>Makes the next message; the last has left.</summary>
    internal void Fill(ReadOnlySpan<IoVector> vectors)
    {
        _begin = 0;
        _end = framing.Wrap(vectors, _bytes);
    }

    /// <summary>send(2) of what is left.</summary>
    /// <returns>What send(2) returns.</returns>
    internal nint Send(int socket)
    {
        nint sent;
        fixed (byte* begin = &_bytes[_begin])
            sent = Libc.send(socket, begin, (nuint)Left, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        if (sent > 0)
            _begin += (int)sent;
        return sent;
    }
}
