using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Engine.Ports;

/// <summary>
/// Where on this machine a caller from the cluster finds its program: first on the loopback of the process tree, if that has one of its own,
/// then on the machine's; IPv4 before IPv6.
/// </summary>
/// <param name="inside">Makes sockets in the tree's network namespace; null where it has none.</param>
internal sealed class LocalPorts(ISocketSource? inside)
{
    private static readonly NetAddress Loopback4 = NetAddress.Parse("127.0.0.1"), Loopback6 = NetAddress.Parse("::1");

    /// <summary>Tried in this order.</summary>
    internal IReadOnlyList<DialCandidate> Candidates { get; } = inside is null
        ? [new(Loopback4), new(Loopback6)]
        : [new(Loopback4, inside), new(Loopback6, inside), new(Loopback4), new(Loopback6)];

    /// <summary>Makes sockets where the programs of the tree listen.</summary>
    internal ISocketSource? Inside => inside;

    /// <summary>Where datagrams go: nobody answers to say that it is the wrong place, so there is one.</summary>
    internal DialCandidate Datagrams { get; } = new(Loopback4, inside);
}
