using System.Buffers.Binary;

namespace Telepresence.Dns.Wire;

/// <summary>
/// View of the twelve bytes that begin each message (RFC 1035 §4.1.1): ID, flags (QR, Opcode, AA, TC, RD, RA, Z, AD, CD, RCODE) and
/// four counts.
/// </summary>
internal readonly ref struct DnsHeader
{
    public const int Size = 12;

    public const ushort Response = 0x8000;
    public const ushort Authoritative = 0x0400;
    public const ushort Truncated = 0x0200;
    public const ushort RecursionDesired = 0x0100;
    public const ushort RecursionAvailable = 0x0080;
    public const ushort AuthenticData = 0x0020;
    public const ushort CheckingDisabled = 0x0010;

    private readonly ReadOnlySpan<byte> _bytes;

    /// <summary>The caller has checked that there are at least <see cref="Size"/> bytes.</summary>
    public DnsHeader(ReadOnlySpan<byte> message) => _bytes = message[..Size];

    public ushort Id => BinaryPrimitives.ReadUInt16BigEndian(_bytes);

    public ushort Flags => BinaryPrimitives.ReadUInt16BigEndian(_bytes[2..]);

    public bool IsResponse => (Flags & Response) != 0;

    public int Opcode => (Flags >> 11) & 0xF;

    public int Rcode => Flags & 0xF;

    public bool IsTruncated => (Flags & Truncated) != 0;

    public ushort Questions => BinaryPrimitives.ReadUInt16BigEndian(_bytes[4..]);

    public ushort Answers => BinaryPrimitives.ReadUInt16BigEndian(_bytes[6..]);

    public ushort Authorities => BinaryPrimitives.ReadUInt16BigEndian(_bytes[8..]);

    public ushort Additionals => BinaryPrimitives.ReadUInt16BigEndian(_bytes[10..]);

    public static void SetId(Span<byte> message, ushort id) => BinaryPrimitives.WriteUInt16BigEndian(message, id);

    public static void SetFlags(Span<byte> message, int flags) => BinaryPrimitives.WriteUInt16BigEndian(message[2..], (ushort)flags);

    public static void SetCounts(Span<byte> message, int questions, int answers, int authorities, int additionals)
    {
        BinaryPrimitives.WriteUInt16BigEndian(message[4..], (ushort)questions);
        BinaryPrimitives.WriteUInt16BigEndian(message[6..], (ushort)answers);
        BinaryPrimitives.WriteUInt16BigEndian(message[8..], (ushort)authorities);
        BinaryPrimitives.WriteUInt16BigEndian(message[10..], (ushort)additionals);
    }
}
