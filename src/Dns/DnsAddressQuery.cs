using System.Buffers.Binary;
using System.Globalization;
using System.Net;

using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <summary>Builds a question for a host's addresses or for an address's host, for a program that asks its own <see cref="Resolver"/>.</summary>
public static class DnsAddressQuery
{
    private const int QuestionTail = 4;
    private const ushort ClassIn = 1;

    /// <summary>A recursive question for A, or for AAAA, with identifier 0.</summary>
    /// <exception cref="FormatException"><paramref name="host"/> is not a DNS name.</exception>
    public static byte[] Build(string host, bool ipv6) => Build(host, ipv6 ? DnsType.Aaaa : DnsType.A);

    /// <summary>A recursive question for the name of an address (RFC 1035 §3.5, RFC 3596 §2.5), with identifier 0.</summary>
    public static byte[] BuildReverse(IPAddress address)
    {
        byte[] bytes = address.GetAddressBytes();
        IEnumerable<string> labels = bytes.Length == 4
            ? bytes.Reverse().Select(static value => value.ToString(CultureInfo.InvariantCulture))
            : Convert.ToHexStringLower(bytes).Reverse().Select(static digit => digit.ToString());
        return Build(string.Join('.', labels) + (bytes.Length == 4 ? ".in-addr.arpa" : ".ip6.arpa"), DnsType.Ptr);
    }

    private static byte[] Build(string host, ushort type)
    {
        byte[] name = DnsName.Parse(host);
        byte[] query = new byte[DnsHeader.Size + name.Length + QuestionTail];
        DnsHeader.SetFlags(query, DnsHeader.RecursionDesired);
        DnsHeader.SetCounts(query, questions: 1, answers: 0, authorities: 0, additionals: 0);
        name.CopyTo(query, DnsHeader.Size);
        BinaryPrimitives.WriteUInt16BigEndian(query.AsSpan(DnsHeader.Size + name.Length), type);
        BinaryPrimitives.WriteUInt16BigEndian(query.AsSpan(DnsHeader.Size + name.Length + 2), ClassIn);
        return query;
    }
}
