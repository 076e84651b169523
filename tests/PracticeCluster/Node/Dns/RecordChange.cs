namespace Telepresence.PracticeCluster.Node;

/// <summary>The commands that take an unbound server from one set of records to another.</summary>
/// <remarks>
/// An ExternalName's CNAME is a local zone of its own, of the type "redirect": only there does unbound go on to resolve
/// what the CNAME points at, as CoreDNS does.
/// </remarks>
internal sealed record RecordChange(
    IReadOnlyList<string> ZonesRemoved,
    IReadOnlyList<string> NamesRemoved,
    IReadOnlyList<string> ZonesAdded,
    IReadOnlyList<string> RecordsAdded)
{
    internal static RecordChange Between(IReadOnlySet<DnsRecord> old, IReadOnlySet<DnsRecord> current)
    {
        List<DnsRecord> gone = [.. old.Where(r => !current.Contains(r))];
        List<DnsRecord> added = [.. current.Where(r => !old.Contains(r))];
        // What unbound can take away is all data of a name at once; what stays of that name is then given again.
        HashSet<string> cleared = [.. gone.Select(r => r.Owner)];
        IEnumerable<DnsRecord> again = current.Where(r => cleared.Contains(r.Owner) && old.Contains(r));
        return new RecordChange(
            [.. gone.Where(r => r.Type == "CNAME").Select(r => r.Owner).Distinct()],
            [.. gone.Where(r => r.Type != "CNAME").Select(r => r.Owner).Distinct()],
            [.. added.Where(r => r.Type == "CNAME").Select(r => $"{r.Owner} redirect")],
            [.. added.Concat(again).Select(r => r.ToString())]);
    }

    /// <summary>As commands of unbound-control, each with its lines of input.</summary>
    internal IEnumerable<(string Command, IReadOnlyList<string> Lines)> Commands()
    {
        if (ZonesRemoved.Count > 0)
            yield return ("local_zones_remove", ZonesRemoved);
        if (NamesRemoved.Count > 0)
            yield return ("local_datas_remove", NamesRemoved);
        if (ZonesAdded.Count > 0)
            yield return ("local_zones", ZonesAdded);
        if (RecordsAdded.Count > 0)
            yield return ("local_datas", RecordsAdded);
    }
}
