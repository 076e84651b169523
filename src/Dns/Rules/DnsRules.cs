using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <summary>
/// Which names are looked up where. Immutable and without side effects; a changed configuration is a new object.
/// <para>
/// There are two places, the machine's own name servers and the cluster, and the rule behind the rules is: a name is first looked up
/// where it most likely lives, and in the other place when the first does not know it or does not answer, with two exceptions: the
/// cluster's own names never go to local servers, and excluded names never go to the cluster.
/// </para>
/// <list type="number">
/// <item>localhost is the machine itself. wpad is never asked in the cluster: a program must not take its proxy settings from there.</item>
/// <item>Excluded names: local. The same name with a search suffix of the cluster behind it does not exist.</item>
/// <item>Below the cluster's domain, and reverse zones of routed subnets: cluster only.</item>
/// <item>Extra suffixes: cluster, then local.</item>
/// <item>One label: search list in the cluster, then local. So is a name that ends in a known namespace.</item>
/// <item>A name that ends in ".svc", which is no top-level domain: search list in the cluster.</item>
/// <item>
/// Everything else is outside. Local first: that is where nearly all such names are known, answers are near, and the user's browsing is
/// not shown to the cluster. What local servers do not know is asked in the cluster, because private zones of a cloud (databases,
/// internal load balancers) are known only there, and so are "name.ns" and "pod.service.ns" of namespaces that nobody has told us about.
/// The price is one round trip more for names that nobody knows; it is paid once, the answer is cached. With <c>--all</c> the order is
/// the other way round.
/// </item>
/// <item>
/// Outside names below the machine's own search suffixes are, as a rule, made by its stub resolver out of something shorter that it will
/// ask as well: they are not tried with the cluster's search list on top, and not in the cluster at all when what stands before the
/// suffix is a cluster name.
/// </item>
/// </list>
/// </summary>
public sealed class DnsRules
{
    /// <summary>Search suffixes beyond this number are ignored.</summary>
    public const int MaxSearch = 8;

    private static readonly byte[] Localhost = DnsName.Parse("localhost");
    private static readonly byte[] Svc = DnsName.Parse("svc");

    private readonly byte[] _clusterDomain;
    private readonly byte[][] _search;
    private readonly byte[][] _namespaces;
    private readonly byte[][] _clusterSuffixes;
    private readonly byte[][] _reverseZones;
    private readonly byte[][] _excludes;
    private readonly byte[][] _localSearch;
    private readonly KeyValuePair<byte[], byte[]>[] _mappings;
    private readonly int _ndots;
    private readonly bool _everything;
    private readonly bool _clusterFallback;

    /// <summary>Compiles the options.</summary>
    /// <exception cref="FormatException">One of the names is not a valid DNS name; the message says which.</exception>
    public DnsRules(DnsRulesOptions options)
    {
        Options = options;
        _clusterDomain = DnsName.Parse(options.ClusterDomain);
        _search = Compile(options.Search.Take(MaxSearch));
        _namespaces = Compile(options.Namespaces);
        _clusterSuffixes = Compile(options.ClusterSuffixes.Select(suffix => suffix.TrimStart('.')));
        _reverseZones = Compile(options.ReverseZones);
        _excludes = Compile(options.Excludes.Select(suffix => suffix.TrimStart('.')));
        _localSearch = Compile(options.LocalSearch);
        _mappings = [.. options.Mappings.Select(pair => KeyValuePair.Create(DnsName.Parse(pair.Key), DnsName.Parse(pair.Value)))];
        _ndots = options.Ndots;
        _everything = options.Everything;
        _clusterFallback = options.ClusterFallback;
    }

    /// <summary>What the rules were made from.</summary>
    public DnsRulesOptions Options { get; }

    /// <summary>The cluster's search list in wire form, at most <see cref="MaxSearch"/> entries.</summary>
    internal ReadOnlySpan<byte[]> Search => _search;

    /// <summary>Whether a search suffix is the cluster's own; others come from the node (its cloud's internal domain).</summary>
    internal bool IsClusterSearch(int suffix) => DnsName.IsAtOrBelow(_search[suffix], _clusterDomain, out _);

    /// <summary>Decides for a name in lower-case wire form.</summary>
    public DnsDecision Decide(ReadOnlySpan<byte> name)
    {
        foreach (var mapping in _mappings)
        {
            if (!name.SequenceEqual(mapping.Key)) continue;
            if (Matches(name, _excludes)) return new DnsDecision(DnsRoute.Local);
            return DecideUnmapped(mapping.Value) with { Target = mapping.Value };
        }
        return DecideUnmapped(name);
    }

    private DnsDecision DecideUnmapped(ReadOnlySpan<byte> name)
    {
        if (name.Length <= 1) return new DnsDecision(DnsRoute.Local);
        if (DnsName.IsAtOrBelow(name, Localhost, out _)) return new DnsDecision(DnsRoute.Loopback);
        var inCluster = DnsName.IsAtOrBelow(name, _clusterDomain, out _);
        if (IsWpad(name)) return new DnsDecision(inCluster ? DnsRoute.NoSuchName : DnsRoute.Local);
        if (Matches(name, _excludes)) return new DnsDecision(DnsRoute.Local);
        if (inCluster) return new DnsDecision(IsExcludedWithSuffix(name) ? DnsRoute.NoSuchName : DnsRoute.Cluster);
        if (Matches(name, _reverseZones)) return new DnsDecision(DnsRoute.Cluster);

        var labels = DnsName.CountLabels(name);
        var useSearch = labels - 1 < _ndots && _search.Length > 0;
        if (Matches(name, _clusterSuffixes)) return new DnsDecision(DnsRoute.ClusterThenLocal);
        if (labels == 1) return new DnsDecision(_search.Length > 0 ? DnsRoute.SearchThenLocal : DnsRoute.Local, true);
        if (DnsName.IsAtOrBelow(name, Svc, out _)) return new DnsDecision(_search.Length > 0 ? DnsRoute.Search : DnsRoute.Local, true);
        if (useSearch && EndsInNamespace(name)) return new DnsDecision(DnsRoute.SearchThenLocal, true);
        return DecideOutside(name, useSearch);
    }

    private DnsDecision DecideOutside(ReadOnlySpan<byte> name, bool useSearch)
    {
        foreach (var suffix in _localSearch)
        {
            if (suffix.Length <= 1 || !DnsName.IsAtOrBelow(name, suffix, out var prefixLength) || prefixLength == 0) continue;
            useSearch = false;
            if (IsClusterNameBefore(name, prefixLength)) return new DnsDecision(DnsRoute.Local);
        }
        if (_everything) return new DnsDecision(DnsRoute.ClusterThenLocal, useSearch);
        return new DnsDecision(_clusterFallback ? DnsRoute.LocalThenCluster : DnsRoute.Local, useSearch);
    }

    /// <summary>"wpad" or anything below a leading label "wpad".</summary>
    private static bool IsWpad(ReadOnlySpan<byte> name) => name.Length > 5 && name[..5].SequenceEqual("\u0004wpad"u8);

    private bool EndsInNamespace(ReadOnlySpan<byte> name) => Matches(name, _namespaces, properly: true);

    /// <summary>An excluded name to which a stub resolver (or a program) has added a suffix of the cluster's search list.</summary>
    private bool IsExcludedWithSuffix(ReadOnlySpan<byte> name)
    {
        Span<byte> bare = stackalloc byte[DnsName.MaxLength];
        foreach (var suffix in _search)
        {
            if (!DnsName.IsAtOrBelow(name, suffix, out var prefixLength) || prefixLength == 0) continue;
            name[..prefixLength].CopyTo(bare);
            bare[prefixLength] = 0;
            if (Matches(bare[..(prefixLength + 1)], _excludes)) return true;
        }
        return false;
    }

    /// <summary>The part before a local suffix ends in the cluster's domain or in ".svc".</summary>
    private bool IsClusterNameBefore(ReadOnlySpan<byte> name, int prefixLength)
    {
        Span<byte> bare = stackalloc byte[DnsName.MaxLength];
        name[..prefixLength].CopyTo(bare);
        bare[prefixLength] = 0;
        var rest = bare[..(prefixLength + 1)];
        return DnsName.IsAtOrBelow(rest, _clusterDomain, out _) || (DnsName.IsAtOrBelow(rest, Svc, out var before) && before > 0);
    }

    private static bool Matches(ReadOnlySpan<byte> name, byte[][] suffixes, bool properly = false)
    {
        foreach (var suffix in suffixes)
            if (DnsName.IsAtOrBelow(name, suffix, out var prefixLength) && (!properly || prefixLength > 0))
                return true;
        return false;
    }

    private static byte[][] Compile(IEnumerable<string> names) => [.. names.Select(DnsName.Parse)];
}
