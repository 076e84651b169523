using System.Net;

using Telepresence.Cli.Engine;
using Telepresence.Dns;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>The network of the tree's namespace as the session serves it. Whoever takes a descriptor owns it.</summary>
internal sealed class NamespaceNetwork
{
    internal NamespaceNetwork(NamespaceReport report, IReadOnlyList<FileDescriptor> descriptors)
    {
        Report = report;
        int udp = 1, tcp = udp + report.DnsUdpCount, mint = tcp + report.DnsTcpCount;
        Tun = descriptors[0];
        DnsUdp = [.. descriptors.Take(tcp).Skip(udp)];
        DnsTcp = [.. descriptors.Take(mint).Skip(tcp)];
        Sockets = new NamespaceSockets(descriptors[mint]);
        Diag = descriptors.Count > mint + 1 ? descriptors[mint + 1] : null;
    }

    /// <summary>What the holder said.</summary>
    internal NamespaceReport Report { get; }

    /// <summary>The TUN.</summary>
    internal FileDescriptor Tun { get; }

    /// <summary>UDP sockets on port 53 of the TUN.</summary>
    internal IReadOnlyList<FileDescriptor> DnsUdp { get; }

    /// <summary>TCP sockets that listen on port 53 of the TUN.</summary>
    internal IReadOnlyList<FileDescriptor> DnsTcp { get; }

    /// <summary>Sockets of the namespace: what is dialed with them is inside.</summary>
    internal NamespaceSockets Sockets { get; }

    /// <summary>A socket that lists the namespace's sockets, where the kernel has that.</summary>
    internal FileDescriptor? Diag { get; }

    /// <summary>The network for the engine, which owns TUN and DNS sockets from then on.</summary>
    /// <param name="rules">Which names go where.</param>
    /// <param name="localServers">The machine's own name servers.</param>
    /// <param name="direct">What must not go through the cluster.</param>
    internal EngineNetwork ToEngine(DnsRules rules, IReadOnlyList<IPEndPoint> localServers, IReadOnlyList<IPNetwork> direct) => new()
    {
        Tun = Tun,
        Mtu = Report.Mtu,
        DnsUdp = DnsUdp,
        DnsTcp = DnsTcp,
        DnsRules = rules,
        LocalServers = localServers,
        Direct = direct,

        // Everything goes into the tunnel: no address needs a route.
        Routes = [new IPNetwork(IPAddress.Any, 0), new IPNetwork(IPAddress.IPv6Any, 0)],
        RouteOutside = static _ => Task.CompletedTask,
    };
}
