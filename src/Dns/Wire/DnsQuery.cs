using System.Buffers.Binary;

namespace Telepresence.Dns.Wire;

/// <summary>
/// View of a message with one question: a client's query, or the part of a reply that repeats it. The question name is never
/// compressed, so everything about it has a fixed place: name at 12, then type and class.
/// </summary>
internal readonly ref struct DnsQuery
{
    private DnsQuery(ReadOnlySpan<byte> message, int nameLength)
    {
        Message = message;
        NameLength = nameLength;
    }

    public ReadOnlySpan<byte> Message { get; }

    public int NameLength { get; }

    public DnsHeader Header => new(Message);

    public ReadOnlySpan<byte> Name => Message.Slice(DnsHeader.Size, NameLength);

    public ushort Type => BinaryPrimitives.ReadUInt16BigEndian(Message[(DnsHeader.Size + NameLength)..]);

    public ushort Class => BinaryPrimitives.ReadUInt16BigEndian(Message[(DnsHeader.Size + NameLength + 2)..]);

    /// <summary>Offset behind the question section.</summary>
    public int QuestionEnd => DnsHeader.Size + NameLength + 4;

    /// <summary>Checks header, count and question; nothing behind the question is looked at.</summary>
    public static bool TryParse(ReadOnlySpan<byte> message, out DnsQuery query)
    {
        query = default;
        if (message.Length < DnsHeader.Size || new DnsHeader(message).Questions != 1) return false;
        var nameLength = DnsName.UncompressedLength(message, DnsHeader.Size);
        if (nameLength == 0 || DnsHeader.Size + nameLength + 4 > message.Length) return false;
        query = new DnsQuery(message, nameLength);
        return true;
    }

    /// <summary>The same for a message that has been checked before.</summary>
    public static DnsQuery Parse(ReadOnlySpan<byte> message) =>
        TryParse(message, out var query) ? query : throw new InvalidOperationException("A message that was checked has no question.");

    /// <summary>Whether the message repeats the question of <paramref name="other"/>, case ignored.</summary>
    public bool SameQuestion(in DnsQuery other) =>
        Type == other.Type && Class == other.Class && DnsName.Same(Name, other.Name);
}
