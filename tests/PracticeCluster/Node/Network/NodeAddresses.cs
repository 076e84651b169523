using System.Net;

namespace Telepresence.PracticeCluster.Node;

/// <summary>The fixed addresses around the cluster. Public ones are from the blocks for documentation (RFC 5737, RFC 3849).</summary>
internal static class NodeAddresses
{
    /// <summary>The node's own addresses (status.hostIP).</summary>
    internal static readonly IPAddress Node4 = IPAddress.Parse("172.18.0.2");
    internal static readonly IPAddress Node6 = IPAddress.Parse("fd00:172:18::2");

    /// <summary>What the outside sees as the source of everything from the cluster.</summary>
    internal static readonly IPAddress Egress4 = IPAddress.Parse("198.51.100.2");
    internal static readonly IPAddress Egress6 = IPAddress.Parse("2001:db8:51::2");

    /// <summary>The outside: its router, name server, database and web server.</summary>
    internal static readonly IPAddress Outside4 = IPAddress.Parse("198.51.100.1");
    internal static readonly IPAddress Outside6 = IPAddress.Parse("2001:db8:51::1");
    internal static readonly IPAddress OutsideDns4 = IPAddress.Parse("198.51.100.53");
    internal static readonly IPAddress OutsideDns6 = IPAddress.Parse("2001:db8:51::53");
    internal static readonly IPAddress Database4 = IPAddress.Parse("198.51.100.10");
    internal static readonly IPAddress Database6 = IPAddress.Parse("2001:db8:51::10");
    internal static readonly IPAddress Web4 = IPAddress.Parse("198.51.100.80");
    internal static readonly IPAddress Web6 = IPAddress.Parse("2001:db8:51::80");

    /// <summary>Where a laptop, at home behind its router, finds the API server.</summary>
    internal static readonly IPAddress PublicApi4 = IPAddress.Parse("203.0.113.10");
    internal static readonly IPAddress PublicApi6 = IPAddress.Parse("2001:db8:203::10");

    /// <summary>Every pod's gateway, on the node's end of its veth.</summary>
    internal static readonly IPAddress PodGateway6 = IPAddress.Parse("fe80::1");
}
