using System.Buffers.Binary;

namespace Telepresence.Rig.Load;

/// <summary>
/// The first bytes of a bulk connection, from the client: direction, whether the receiver verifies, and for a download how long it lasts.
/// </summary>
/// <remarks>
/// Upload: the client sends until it ends its direction; the server then answers with the number of bytes it got (8 bytes, big-endian)
/// and closes, so the client knows when the last byte had arrived. Where a path cannot carry that end, the upload is timed: the server answers
/// when the time is over, and what is still on its way does not count. Download: the server sends for the given time and closes.
/// </remarks>
internal readonly record struct BulkRequest(bool Download, bool Verify, int Milliseconds, bool Timed = false)
{
    internal const int Size = 8;

    internal void Write(Span<byte> to)
    {
        to.Clear();
        to[0] = (byte)(Download ? 'd' : 'u');
        to[1] = (byte)(Verify ? 1 : 0);
        to[2] = (byte)(Timed ? 1 : 0);
        BinaryPrimitives.WriteInt32BigEndian(to[4..], Milliseconds);
    }

    internal static BulkRequest Read(ReadOnlySpan<byte> from) =>
        new(from[0] == (byte)'d', from[1] != 0, BinaryPrimitives.ReadInt32BigEndian(from[4..]), from[2] != 0);
}
