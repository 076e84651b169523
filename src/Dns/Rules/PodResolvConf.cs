using System.Net;

namespace Telepresence.Dns;

/// <summary>
/// What a pod's (or machine's) resolv.conf says, read as glibc reads it (resolv.conf(5)): lines that begin with '#' or ';' are comments,
/// so is the rest of a line behind a blank and such a sign; the last "search" or "domain" line wins; "options" add up.
/// </summary>
public sealed class PodResolvConf
{
    private PodResolvConf(IReadOnlyList<IPAddress> nameServers, IReadOnlyList<string> search, int ndots)
    {
        NameServers = nameServers;
        Search = search;
        Ndots = ndots;
    }

    /// <summary>Name servers in order.</summary>
    public IReadOnlyList<IPAddress> NameServers { get; }

    /// <summary>Search list in order, without trailing dots.</summary>
    public IReadOnlyList<string> Search { get; }

    /// <summary>ndots, 1 where the file does not say.</summary>
    public int Ndots { get; }

    /// <summary>
    /// The cluster's domain: what follows "svc." in the search list ("svc.cluster.local" gives "cluster.local"); "cluster.local" where
    /// the list has no such entry (dnsPolicy Default or None).
    /// </summary>
    public string ClusterDomain
    {
        get
        {
            foreach (var entry in Search)
                if (entry.StartsWith("svc.", StringComparison.OrdinalIgnoreCase) && entry.Length > 4)
                    return entry[4..];
            return "cluster.local";
        }
    }

    /// <summary>Reads the text of a resolv.conf; lines that make no sense are passed over, as the C library does.</summary>
    public static PodResolvConf Parse(string text)
    {
        var servers = new List<IPAddress>();
        IReadOnlyList<string> search = [];
        var ndots = 1;
        foreach (var raw in text.Split('\n'))
        {
            var words = Words(raw);
            if (words.Count < 2) continue;
            switch (words[0])
            {
                case "nameserver" when IPAddress.TryParse(words[1], out var address):
                    servers.Add(address);
                    break;
                case "search" or "domain":
                    search = words.Skip(1).Select(word => word.TrimEnd('.')).Where(word => word.Length > 0).ToList();
                    break;
                case "options":
                    foreach (var option in words)
                        if (option.StartsWith("ndots:", StringComparison.Ordinal) && int.TryParse(option.AsSpan(6), out var dots) && dots >= 0)
                            ndots = Math.Min(dots, 15);
                    break;
            }
        }
        return new PodResolvConf(servers, search, ndots);
    }

    private static List<string> Words(string line)
    {
        var words = new List<string>();
        foreach (var word in line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (word[0] is '#' or ';') break;
            words.Add(word);
        }
        return words;
    }
}
