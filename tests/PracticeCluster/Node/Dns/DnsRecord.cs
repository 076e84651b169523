namespace Telepresence.PracticeCluster.Node;

/// <summary>One resource record in presentation form (RFC 1035 §5.1).</summary>
/// <param name="Owner">Absolute, lower case, with the final dot.</param>
/// <param name="Type">A, AAAA, CNAME, SRV, PTR, TXT or SOA.</param>
internal readonly record struct DnsRecord(string Owner, string Type, string Data)
{
    /// <summary>Seconds; what kubeadm's CoreDNS configuration answers with.</summary>
    internal const int TimeToLive = 30;

    public override string ToString() => $"{Owner} {TimeToLive} IN {Type} {Data}";
}
