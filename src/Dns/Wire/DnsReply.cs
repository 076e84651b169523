using System.Buffers.Binary;

namespace Telepresence.Dns.Wire;

/// <summary>Writes the replies that the resolver makes itself. All keep the client's identifier and question, letter case included.</summary>
internal static class DnsReply
{
    /// <summary>UDP size that our own OPT records announce (the size that fits every path, DNS flag day 2020).</summary>
    public const ushort AnnouncedUdpSize = 1232;

    /// <summary>Largest reply that this class writes.</summary>
    public const int MaxSize = DnsHeader.Size + DnsName.MaxLength + 4 + 12 + 16 + DnsEdns.PlainOptSize;

    private const uint LoopbackTtl = 86_400;

    /// <summary>Header alone, for a message whose question cannot be read. The query has at least a header.</summary>
    public static int WriteHeaderOnly(ReadOnlySpan<byte> query, int rcode, Span<byte> destination)
    {
        query[..2].CopyTo(destination);
        DnsHeader.SetFlags(destination, ReplyFlags(new DnsHeader(query).Flags, rcode));
        DnsHeader.SetCounts(destination, 0, 0, 0, 0);
        return DnsHeader.Size;
    }

    /// <summary>Question and rcode without records: errors, NXDOMAIN, and with <see cref="DnsRcode.NoError"/> NODATA.</summary>
    public static int WriteEmpty(in DnsQuery query, in DnsEdns edns, int rcode, Span<byte> destination)
    {
        var at = WriteQuestion(query, rcode, destination);
        return WriteOpt(edns, destination, at, answers: 0);
    }

    /// <summary>The reply that makes a UDP client ask again over TCP (RFC 2181 §9): no records, TC set.</summary>
    public static int WriteTruncated(in DnsQuery query, in DnsEdns edns, ushort flagsOfAnswer, Span<byte> destination)
    {
        var at = WriteQuestion(query, DnsRcode.NoError, destination);
        DnsHeader.SetFlags(destination, flagsOfAnswer | DnsHeader.Truncated);
        return WriteOpt(edns, destination, at, answers: 0);
    }

    /// <summary>"localhost" and names below it (RFC 6761 §6.3): 127.0.0.1 and ::1, nothing else.</summary>
    public static int WriteLoopback(in DnsQuery query, in DnsEdns edns, Span<byte> destination)
    {
        if (query.Type is not (DnsType.A or DnsType.Aaaa)) return WriteEmpty(query, edns, DnsRcode.NoError, destination);
        var at = WriteQuestion(query, DnsRcode.NoError, destination);
        var length = query.Type == DnsType.A ? 4 : 16;
        at = WriteRecordHead(destination, at, query.Type, LoopbackTtl, length);
        destination.Slice(at, length).Clear();
        if (length == 4) destination[at] = 127;
        destination[at + length - 1] = 1;
        return WriteOpt(edns, destination, at + length, answers: 1);
    }

    /// <summary>Everything of a record up to its data; the owner is the question's name.</summary>
    public static int WriteRecordHead(Span<byte> destination, int at, ushort type, uint ttl, int dataLength)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], 0xC000 | DnsHeader.Size);
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 2)..], type);
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 4)..], 1);
        BinaryPrimitives.WriteUInt32BigEndian(destination[(at + 6)..], ttl);
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 10)..], (ushort)dataLength);
        return at + 12;
    }

    private static int WriteQuestion(in DnsQuery query, int rcode, Span<byte> destination)
    {
        query.Message[..query.QuestionEnd].CopyTo(destination);
        DnsHeader.SetFlags(destination, ReplyFlags(query.Header.Flags, rcode));
        return query.QuestionEnd;
    }

    private static int WriteOpt(in DnsEdns edns, Span<byte> destination, int at, int answers)
    {
        DnsHeader.SetCounts(destination, 1, answers, 0, edns.IsPresent ? 1 : 0);
        if (!edns.IsPresent) return at;
        destination[at] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 1)..], DnsType.Opt);
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 3)..], AnnouncedUdpSize);
        BinaryPrimitives.WriteUInt32BigEndian(destination[(at + 5)..], edns.Flags & 0x8000);
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 9)..], 0);
        return at + DnsEdns.PlainOptSize;
    }

    private static int ReplyFlags(ushort queryFlags, int rcode) =>
        DnsHeader.Response | DnsHeader.RecursionAvailable | rcode
        | (queryFlags & (0x7800 | DnsHeader.RecursionDesired | DnsHeader.CheckingDisabled));
}
