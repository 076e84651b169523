using System.Buffers.Binary;
using System.Net;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <summary>Questions and answers for callers that look up names themselves through <see cref="Resolver.Receive"/>.</summary>
public static class DnsQuestions
{
    /// <summary>Writes a recursive question of class IN.</summary>
    /// <param name="destination">At least 271 bytes.</param>
    /// <param name="id">Identifier that the answer will carry.</param>
    /// <param name="name">Wire-form name, see <see cref="DnsName.Parse"/>.</param>
    /// <param name="type">See <see cref="DnsType"/>.</param>
    /// <returns>The message's length in bytes.</returns>
    public static int Write(Span<byte> destination, ushort id, ReadOnlySpan<byte> name, ushort type)
    {
        DnsHeader.SetId(destination, id);
        DnsHeader.SetFlags(destination, DnsHeader.RecursionDesired);
        DnsHeader.SetCounts(destination, 1, 0, 0, 0);
        name.CopyTo(destination[DnsHeader.Size..]);
        var at = DnsHeader.Size + name.Length;
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], type);
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 2)..], 1);
        return at + 4;
    }

    /// <summary>Reads the addresses (A and AAAA) of an answer.</summary>
    /// <param name="message">The whole answer.</param>
    /// <param name="addresses">Receives the addresses in the answer's order.</param>
    /// <param name="ttl">Smallest time to live of the address records, in seconds; 0 if there are none.</param>
    /// <returns>The response code, or -1 if the message is malformed.</returns>
    public static int ReadAddresses(ReadOnlySpan<byte> message, ICollection<IPAddress> addresses, out uint ttl)
    {
        ttl = 0;
        if (!DnsQuery.TryParse(message, out var question)) return -1;
        var smallest = uint.MaxValue;
        var records = new DnsRecordReader(message, question.QuestionEnd);
        while (records.MoveNext() && records.IsAnswer)
        {
            var isAddress = (records.Type == DnsType.A && records.DataLength == 4) || (records.Type == DnsType.Aaaa && records.DataLength == 16);
            if (!isAddress) continue;
            addresses.Add(new IPAddress(records.Data));
            smallest = Math.Min(smallest, records.Ttl);
        }
        if (smallest != uint.MaxValue) ttl = smallest;
        return records.IsMalformed ? -1 : question.Header.Rcode;
    }
}
