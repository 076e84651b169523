namespace Telepresence.Dns.Wire;

/// <summary>Record and query types that the resolver tells apart (IANA "Resource Record (RR) TYPEs"); all others pass as numbers.</summary>
public static class DnsType
{
    /// <summary>IPv4 address.</summary>
    public const ushort A = 1;

    /// <summary>Alias.</summary>
    public const ushort Cname = 5;

    /// <summary>Start of authority; its minimum field is the negative TTL (RFC 2308).</summary>
    public const ushort Soa = 6;

    /// <summary>Reverse pointer.</summary>
    public const ushort Ptr = 12;

    /// <summary>Text.</summary>
    public const ushort Txt = 16;

    /// <summary>Transaction signature by public key, SIG(0) (RFC 2931).</summary>
    public const ushort Sig = 24;

    /// <summary>IPv6 address.</summary>
    public const ushort Aaaa = 28;

    /// <summary>Service location.</summary>
    public const ushort Srv = 33;

    /// <summary>EDNS pseudo-record (RFC 6891).</summary>
    public const ushort Opt = 41;

    /// <summary>Transaction key (RFC 2930).</summary>
    public const ushort Tkey = 249;

    /// <summary>Transaction signature (RFC 8945).</summary>
    public const ushort Tsig = 250;

    /// <summary>Incremental zone transfer.</summary>
    public const ushort Ixfr = 251;

    /// <summary>Zone transfer.</summary>
    public const ushort Axfr = 252;

    /// <summary>Obsolete mailbox query.</summary>
    public const ushort Mailb = 253;

    /// <summary>Obsolete mail agent query.</summary>
    public const ushort Maila = 254;

    /// <summary>Every type.</summary>
    public const ushort Any = 255;
}
