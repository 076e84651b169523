using System.Net;

namespace Telepresence.Cli.Machine.Resolver;

/// <summary>What the machine's resolver is to do with our name server.</summary>
public sealed record ResolverRequest
{
    /// <summary>The TUN interface; up, with its addresses.</summary>
    public required string Interface { get; init; }

    /// <summary>Addresses on the TUN where our name server answers on port 53, UDP and TCP.</summary>
    public required IReadOnlyList<IPAddress> Servers { get; init; }

    /// <summary>
    /// Domains to complete short names with, in order: the pod's own ("default.svc.cluster.local", "svc.cluster.local", "cluster.local").
    /// </summary>
    public required IReadOnlyList<string> Search { get; init; }

    /// <summary>Zones that only our server knows: the cluster's domain, extra suffixes, reverse zones of routed networks.</summary>
    public required IReadOnlyList<string> Zones { get; init; }

    /// <summary>Every name goes to our server alone (<c>--all</c>).</summary>
    public bool Everything { get; init; }
}
