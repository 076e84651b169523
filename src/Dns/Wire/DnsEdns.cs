namespace Telepresence.Dns.Wire;

/// <summary>
/// What stands behind the question of a query: at most one OPT record (RFC 6891 §6.1.1: owner root, class = UDP size, TTL = extended
/// rcode, version, DO and zero flags) and possibly a signature over the message.
/// </summary>
internal readonly struct DnsEdns
{
    public const int PlainOptSize = 11;

    /// <summary>Offset of the OPT record's owner, or 0 if there is none.</summary>
    public int Offset { get; private init; }

    public ushort UdpSize { get; private init; }

    public uint Flags { get; private init; }

    /// <summary>OPT carries options (cookie, client subnet, …): the answer is for this client alone.</summary>
    public bool HasOptions { get; private init; }

    /// <summary>TSIG or SIG(0): the message must not be changed, nor its answer shared.</summary>
    public bool IsSigned { get; private init; }

    public bool IsPresent => Offset != 0;

    public bool WantsDnssec => (Flags & 0x8000) != 0;

    public int Version => (int)(Flags >> 16) & 0xFF;

    /// <summary>Reads the records behind a query's question.</summary>
    /// <returns>False if they are malformed, doubled or of a kind that a query does not have.</returns>
    public static bool TryRead(in DnsQuery query, out DnsEdns edns)
    {
        edns = default;
        var header = query.Header;
        if (header.Answers != 0 || header.Authorities != 0) return false;
        var records = new DnsRecordReader(query.Message, query.QuestionEnd);
        while (records.MoveNext())
        {
            switch (records.Type)
            {
                case DnsType.Opt when edns.IsPresent || query.Message[records.NameOffset] != 0:
                    return false;
                case DnsType.Opt:
                    edns = new DnsEdns
                    {
                        Offset = records.NameOffset,
                        UdpSize = records.Class,
                        Flags = records.Ttl,
                        HasOptions = records.DataLength != 0,
                        IsSigned = edns.IsSigned,
                    };
                    break;
                case DnsType.Tsig or DnsType.Sig:
                    edns = edns with { IsSigned = true };
                    break;
                default:
                    return false;
            }
        }
        return !records.IsMalformed && records.Position == query.Message.Length;
    }
}
