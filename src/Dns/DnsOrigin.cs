namespace Telepresence.Dns;

/// <summary>Where an answer comes from; cached answers keep the origin that they had.</summary>
public enum DnsOrigin
{
    /// <summary>Made by the resolver itself: errors, loopback names, suppressed names.</summary>
    Resolver,

    /// <summary>The machine's own name servers.</summary>
    Local,

    /// <summary>The cluster, for a name in the cluster's own zones or found through its search list.</summary>
    Cluster,

    /// <summary>
    /// The cluster, for a name that is not the cluster's own (a cloud database in a private zone, an extra suffix). Its addresses may lie
    /// outside the routed subnets: a caller that wants to route them first holds the reply back until the route stands.
    /// </summary>
    Outside,
}
