using System.Buffers.Binary;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// View over an ICMP (RFC 792) or ICMPv6 (RFC 4443) message; both begin alike.
/// <code> 0 type   1 code   2..3 checksum   4..5 identifier   6..7 sequence (echo only)   8.. data </code>
/// </summary>
internal readonly ref struct IcmpHeader
{
    public const int Size = 8;
    public const int ChecksumOffset = 2;

    public const byte EchoReplyV4 = 0;
    public const byte UnreachableV4 = 3;
    public const byte EchoRequestV4 = 8;
    public const byte UnreachableV6 = 1;
    public const byte ParameterProblemV6 = 4;
    public const byte EchoRequestV6 = 128;
    public const byte EchoReplyV6 = 129;

    private readonly ReadOnlySpan<byte> _message;

    private IcmpHeader(ReadOnlySpan<byte> message) => _message = message;

    public byte Type => _message[0];
    public byte Code => _message[1];
    public ushort Identifier => BinaryPrimitives.ReadUInt16BigEndian(_message[4..]);
    public ushort Sequence => BinaryPrimitives.ReadUInt16BigEndian(_message[6..]);
    public ReadOnlySpan<byte> Data => _message[Size..];
    public ReadOnlySpan<byte> Message => _message;

    public static bool TryParse(ReadOnlySpan<byte> message, out IcmpHeader header)
    {
        header = default;
        if (message.Length < Size)
            return false;
        header = new(message);
        return true;
    }

    /// <summary>Writes a header with checksum 0 and returns its length (8).</summary>
    /// <remarks>The rest is bytes 4 to 7 in host order: identifier and sequence of an echo, a pointer, or 0.</remarks>
    public static int Write(Span<byte> destination, byte type, byte code, uint rest)
    {
        destination = destination[..Size];
        destination[0] = type;
        destination[1] = code;
        destination[2] = destination[3] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(destination[4..], rest);
        return Size;
    }
}
