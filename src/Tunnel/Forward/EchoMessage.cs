using System.Buffers.Binary;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// A datagram of a <see cref="Mux.StreamKind.Echo"/> stream, whose target is the pinged address: an ICMP echo request towards the pod, the
/// reply to it on the way back.
/// </summary>
/// <remarks>
/// <code>
///  0      2      4
/// +------+------+---------+
/// | ident| seq  | payload |   big endian, as in RFC 792
/// +------+------+---------+
/// </code>
/// The kernel gives a ping socket an identifier of its own, so the pod remembers the one that came and puts it back.
/// </remarks>
internal readonly ref struct EchoMessage
{
    internal const int HeaderLength = 4;

    private readonly ReadOnlySpan<byte> _bytes;

    private EchoMessage(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    internal ushort Identifier => BinaryPrimitives.ReadUInt16BigEndian(_bytes);

    internal ushort Sequence => BinaryPrimitives.ReadUInt16BigEndian(_bytes[2..]);

    internal ReadOnlySpan<byte> Payload => _bytes[HeaderLength..];

    internal static bool TryParse(ReadOnlySpan<byte> bytes, out EchoMessage message)
    {
        message = new EchoMessage(bytes);
        return bytes.Length >= HeaderLength;
    }

    /// <summary>Writes a message.</summary>
    /// <returns>Its length.</returns>
    internal static int Write(Span<byte> destination, ushort identifier, ushort sequence, ReadOnlySpan<byte> payload)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination, identifier);
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], sequence);
        payload.CopyTo(destination[HeaderLength..]);
        return HeaderLength + payload.Length;
    }
}
