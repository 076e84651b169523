using System.Net;

using Telepresence.Dns;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Engine;

/// <summary>What <see cref="ConnectEngine"/> serves. It owns the descriptors from then on.</summary>
public sealed record EngineNetwork
{
    /// <summary>The TUN device, or null where only names are served.</summary>
    public FileDescriptor? Tun { get; init; }

    /// <summary>Its largest packet, bytes.</summary>
    public int Mtu { get; init; }

    /// <summary>UDP sockets bound to port 53 of the TUN's addresses; non-blocking.</summary>
    public IReadOnlyList<FileDescriptor> DnsUdp { get; init; } = [];

    /// <summary>TCP sockets that listen on port 53 of the TUN's addresses; non-blocking.</summary>
    public IReadOnlyList<FileDescriptor> DnsTcp { get; init; } = [];

    /// <summary>Which names go where.</summary>
    public required DnsRules DnsRules { get; init; }

    /// <summary>The machine's own name servers, in order of preference.</summary>
    public IReadOnlyList<IPEndPoint> LocalServers { get; init; } = [];

    /// <summary>What goes into the tunnel already.</summary>
    public IReadOnlyList<IPNetwork> Routes { get; init; } = [];

    /// <summary>What comes out of the TUN and must not go into the tunnel: it is dialed from this process, in its own network namespace.</summary>
    public IReadOnlyList<IPNetwork> Direct { get; init; } = [];

    /// <summary>Makes routes for addresses that only the cluster knows by name.</summary>
    public required Func<IReadOnlyList<IPAddress>, Task> RouteOutside { get; init; }
}
