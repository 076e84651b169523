using System.Net;

using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <summary>Reads what a caller of the resolver wants to know of an answer that passes through.</summary>
public static class DnsAnswer
{
    /// <summary>Adds the addresses of the A and AAAA records of the answer section to <paramref name="addresses"/>; of a malformed message, those before the fault.</summary>
    public static void ReadAddresses(ReadOnlySpan<byte> message, ICollection<IPAddress> addresses)
    {
        if (!DnsQuery.TryParse(message, out DnsQuery question))
            return;
        DnsRecordReader records = new(message, question.QuestionEnd);
        while (records.MoveNext() && records.IsAnswer)
        {
            if ((records.Type == DnsType.A && records.DataLength == 4) || (records.Type == DnsType.Aaaa && records.DataLength == 16))
                addresses.Add(new IPAddress(records.Data));
        }
    }

    /// <summary>The response code (<see cref="DnsRcode"/>); <see cref="DnsRcode.ServFail"/> of what is no answer to a question.</summary>
    public static int ReadCode(ReadOnlySpan<byte> message) =>
        DnsQuery.TryParse(message, out _) ? new DnsHeader(message).Rcode : DnsRcode.ServFail;

    /// <summary>The name at the end of the answer's aliases: the owner of its first address; null when there is none.</summary>
    public static string? ReadCanonicalName(ReadOnlySpan<byte> message)
    {
        if (!DnsQuery.TryParse(message, out DnsQuery question))
            return null;
        DnsRecordReader records = new(message, question.QuestionEnd);
        while (records.MoveNext() && records.IsAnswer)
        {
            if (records.Type is DnsType.A or DnsType.Aaaa)
                return ReadName(message, records.NameOffset);
        }

        return null;
    }

    /// <summary>The first name that a reverse question was answered with; null when there is none.</summary>
    public static string? ReadPointer(ReadOnlySpan<byte> message)
    {
        if (!DnsQuery.TryParse(message, out DnsQuery question))
            return null;
        DnsRecordReader records = new(message, question.QuestionEnd);
        while (records.MoveNext() && records.IsAnswer)
        {
            if (records.Type == DnsType.Ptr)
                return ReadName(message, records.DataOffset);
        }

        return null;
    }

    private static string? ReadName(ReadOnlySpan<byte> message, int offset)
    {
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        int length = DnsName.Expand(message, offset, name);
        return length > 1 ? DnsName.ToText(name[..length]) : null;
    }
}
