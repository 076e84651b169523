namespace Telepresence.Dns;

/// <summary>Where a name is looked up, and in which order.</summary>
public enum DnsRoute
{
    /// <summary>The machine's own servers only.</summary>
    Local,

    /// <summary>The cluster only: the cluster's own zones, which no other server knows.</summary>
    Cluster,

    /// <summary>The cluster through its search list only ("name.ns.svc").</summary>
    Search,

    /// <summary>The cluster through its search list, then the local servers ("name", "name.ns").</summary>
    SearchThenLocal,

    /// <summary>The cluster, then the local servers.</summary>
    ClusterThenLocal,

    /// <summary>The local servers, then the cluster.</summary>
    LocalThenCluster,

    /// <summary>NXDOMAIN at once, nobody is asked.</summary>
    NoSuchName,

    /// <summary>localhost: 127.0.0.1 and ::1, nobody is asked.</summary>
    Loopback,
}
