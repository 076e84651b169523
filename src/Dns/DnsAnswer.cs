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
}
