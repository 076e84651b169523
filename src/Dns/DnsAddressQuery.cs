using System.Buffers.Binary;

using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <summary>Builds a question for a host's addresses, for a program that asks its own <see cref="Resolver"/>.</summary>
public static class DnsAddressQuery
{
    private const int QuestionTail = 4;
    private const ushort ClassIn = 1;

    /// <summary>A recursive question for A, or for AAAA, with identifier 0.</summary>
    /// <exception cref="FormatException"><paramref name="host"/> is not a DNS name.</exception>
    public static byte[] Build(string host, bool ipv6)
    {
        byte[] name = DnsName.Parse(host);
        byte[] query = new byte[DnsHeader.Size + name.Length + QuestionTail];
        DnsHeader.SetFlags(query, DnsHeader.RecursionDesired);
        DnsHeader.SetCounts(query, questions: 1, answers: 0, authorities: 0, additionals: 0);
        name.CopyTo(query, DnsHeader.Size);
        BinaryPrimitives.WriteUInt16BigEndian(query.AsSpan(DnsHeader.Size + name.Length), ipv6 ? DnsType.Aaaa : DnsType.A);
        BinaryPrimitives.WriteUInt16BigEndian(query.AsSpan(DnsHeader.Size + name.Length + 2), ClassIn);
        return query;
    }
}
