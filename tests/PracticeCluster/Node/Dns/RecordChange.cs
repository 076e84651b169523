namespace Telepresence.PracticeCluster.Node;

/// <summary>The commands that take an unbound server from one set of records to another.</summary>
/// <remarks>
/// An ExternalName's CNAME is a local zone of its own, of the type "redirect": only there does unbound go on to resolve
/// what the CNAME points at, as CoreDNS does. A zone that is added to a running unbound does not know the zone around it, and the
/// names that sort behind it there are then asked of the outside; so a change of zones takes a reload.
/// </remarks>
internal sealed record RecordChange(bool NeedsReload, IReadOnlyList<string> NamesRemoved, IReadOnlyList<string> RecordsAdded)
{
    internal static RecordChange Between(IReadOnlySet<DnsRecord> old, IReadOnlySet<DnsRecord> current)
    {
        List<DnsRecord> gone = [.. old.Where(r => !current.Contains(r))];
        List<DnsRecord> added = [.. current.Where(r => !old.Contains(r))];
        // What unbound can take away is all data of a name at once; what stays of that name is then given again.
        HashSet<string> cleared = [.. gone.Select(r => r.Owner)];
        IEnumerable<DnsRecord> again = current.Where(r => cleared.Contains(r.Owner) && old.Contains(r));
        return new RecordChange(
            gone.Concat(added).Any(r => r.Type == "CNAME"),
            [.. gone.Select(r => r.Owner).Distinct()],
            [.. added.Concat(again).Select(r => r.ToString())]);
    }

    /// <summary>As commands of unbound-control, each with its lines of input.</summary>
    internal IEnumerable<(string Command, IReadOnlyList<string> Lines)> Commands()
    {
        if (NamesRemoved.Count > 0)
            yield return ("local_datas_remove", NamesRemoved);
        if (RecordsAdded.Count > 0)
            yield return ("local_datas", RecordsAdded);
    }
}
