namespace Telepresence.Dns;

/// <summary>What the user and the cluster say about names; text form, with or without trailing dots, in any case.</summary>
public sealed record DnsRulesOptions
{
    /// <summary>The cluster's domain, as in the pod's resolv.conf; see <see cref="PodResolvConf.ClusterDomain"/>.</summary>
    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>The pod's search list in its order, for example "default.svc.cluster.local", "svc.cluster.local", "cluster.local".</summary>
    public IReadOnlyList<string> Search { get; init; } = [];

    /// <summary>The pod's ndots: names with fewer dots are tried with the search list.</summary>
    public int Ndots { get; init; } = 5;

    /// <summary>Namespaces known to exist: "name.NAMESPACE" is looked up in the cluster first even if NAMESPACE is a top-level domain.</summary>
    public IReadOnlyList<string> Namespaces { get; init; } = [];

    /// <summary>Suffixes (<c>--dns-suffix</c>) and names (<c>--also-proxy</c>) that the cluster is asked for first.</summary>
    public IReadOnlyList<string> ClusterSuffixes { get; init; } = [];

    /// <summary>Reverse zones ("96.10.in-addr.arpa") of routed subnets; see <see cref="ReverseZones.ForSubnet"/>.</summary>
    public IReadOnlyList<string> ReverseZones { get; init; } = [];

    /// <summary>Suffixes that are never looked up in the cluster.</summary>
    public IReadOnlyList<string> Excludes { get; init; } = [];

    /// <summary>Names that stand for other names.</summary>
    public IReadOnlyDictionary<string, string> Mappings { get; init; } = new Dictionary<string, string>();

    /// <summary>The machine's own search suffixes.</summary>
    public IReadOnlyList<string> LocalSearch { get; init; } = [];

    /// <summary>Ask the cluster first for every name that is not excluded (<c>--all</c>).</summary>
    public bool Everything { get; init; }

    /// <summary>Ask the cluster for outside names which the local servers do not know.</summary>
    public bool ClusterFallback { get; init; } = true;
}
