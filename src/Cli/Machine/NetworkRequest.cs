using System.Net;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Machine;

/// <summary>What the machine's network should carry into the tunnel.</summary>
public sealed record NetworkRequest
{
    /// <summary>Largest packet of the TUN, bytes. The default lets 64 KiB pass in one system call.</summary>
    public int Mtu { get; init; } = 65_520;

    /// <summary>The cluster's networks, as found. They never take what the machine has a route for.</summary>
    public IReadOnlyList<IPNetwork> Found { get; init; } = [];

    /// <summary>Networks that the user asked for. They win over the machine's routes.</summary>
    public IReadOnlyList<IPNetwork> AlsoProxy { get; init; } = [];

    /// <summary>Networks and addresses that stay outside.</summary>
    public IReadOnlyList<IPNetwork> NeverProxy { get; init; } = [];

    /// <summary>Everything but the exceptions goes through the cluster.</summary>
    public bool Everything { get; init; }
}

/// <summary>What <see cref="MachineNetwork"/> made of a <see cref="NetworkRequest"/>.</summary>
/// <param name="Interface">Name of the TUN.</param>
/// <param name="Tun">Its descriptor; the caller owns it.</param>
/// <param name="Addresses">Our addresses on it: IPv4, then IPv6 where the machine has it. DNS is served there.</param>
/// <param name="Routes">What goes into the tunnel.</param>
/// <param name="Exceptions">What stays outside.</param>
/// <param name="Skipped">A sentence for each found network that does not go into the tunnel.</param>
public sealed record NetworkResult(
    string Interface,
    FileDescriptor Tun,
    IReadOnlyList<IPAddress> Addresses,
    IReadOnlyList<IPNetwork> Routes,
    IReadOnlyList<IPNetwork> Exceptions,
    IReadOnlyList<string> Skipped);
