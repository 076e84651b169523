using System.Net;
using System.Net.Sockets;

namespace Telepresence.Cli.Machine;

/// <summary>
/// Decides which prefixes go into the tunnel and which must not, from what is asked and what the machine has. A pure function.
/// </summary>
/// <remarks>
/// <para>Both kinds live in one routing table that is looked up before the machine's own: a tunnel prefix as a route to the TUN, an
/// exception as a <c>throw</c> route, behind which the kernel goes on to the main table. The most specific prefix wins, so exceptions
/// inside tunnel prefixes, and tunnel prefixes inside exceptions, mean what they say.</para>
/// <para>Found networks (the cluster's) never take what the machine has a route for. Asked ones (<c>--also-proxy</c>) do: the user said so.
/// A default route, or the two halves of one as VPN clients write it, is not a claim on any network.</para>
/// </remarks>
internal sealed record RoutePlan(IReadOnlyList<IPNetwork> Tunnel, IReadOnlyList<IPNetwork> Exceptions, IReadOnlyList<SkippedNetwork> Skipped)
{
    /// <summary>Makes a plan.</summary>
    /// <param name="found">The cluster's networks.</param>
    /// <param name="asked">What the user asked for.</param>
    /// <param name="never">Addresses and networks that must stay outside: the API server, the SSH peer, the gateway, <c>--never-proxy</c>.</param>
    /// <param name="machine">The machine's routes, without those to our own interface.</param>
    internal static RoutePlan Make(IEnumerable<IPNetwork> found, IEnumerable<IPNetwork> asked, IEnumerable<IPNetwork> never, IReadOnlyCollection<MachineRoute> machine)
    {
        List<MachineRoute> claims = [.. machine.Where(static route => route.Destination.PrefixLength > 1)];
        HashSet<IPNetwork> tunnel = [.. asked];
        List<SkippedNetwork> skipped = [];
        HashSet<IPNetwork> exceptions = [.. never];
        foreach (IPNetwork network in found.Distinct().Where(network => !tunnel.Contains(network)))
        {
            // A single address is one that a name led to. Being more specific, it would win over what must stay outside.
            if (IsSingle(network) && exceptions.Any(exception => Contains(exception, network)))
                continue;
            if (claims.FirstOrDefault(claim => Contains(claim.Destination, network)) is MachineRoute holder)
                skipped.Add(new SkippedNetwork(network, $"{network} is already routed to {Where(holder)} on this machine; to send it to the cluster all the same, use --also-proxy {network}."));
            else
                tunnel.Add(network);
        }

        foreach (MachineRoute claim in claims)
        {
            if (tunnel.Contains(claim.Destination) || !tunnel.Any(network => Contains(network, claim.Destination)))
                continue;
            exceptions.Add(claim.Destination);

            // With everything asked for, the machine's own networks are expected to stay; only a hole in a found network is news.
            if (tunnel.Where(network => Contains(network, claim.Destination)).Any(static network => network.PrefixLength > 0))
                skipped.Add(new SkippedNetwork(claim.Destination, $"{claim.Destination} stays routed to {Where(claim)}: this machine's own network lies inside the cluster's; to send it to the cluster, use --also-proxy {claim.Destination}."));
        }

        // What the user asked for by name of the very prefix wins over the same prefix as an exception of ours.
        return new RoutePlan([.. tunnel.Except(exceptions)], [.. exceptions.Where(exception => tunnel.Any(network => Contains(network, exception)))], skipped);
    }

    /// <summary>Whether <paramref name="outer"/> holds all of <paramref name="inner"/>.</summary>
    internal static bool Contains(IPNetwork outer, IPNetwork inner) =>
        outer.BaseAddress.AddressFamily == inner.BaseAddress.AddressFamily
        && outer.PrefixLength <= inner.PrefixLength
        && outer.Contains(inner.BaseAddress);

    /// <summary>4 or 6.</summary>
    internal static int FamilyOf(IPNetwork network) => network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 4 : 6;

    private static bool IsSingle(IPNetwork network) => network.PrefixLength == (FamilyOf(network) == 4 ? 32 : 128);

    private static string Where(MachineRoute route) => route.Gateway is null ? route.Device : $"{route.Gateway} ({route.Device})";
}

/// <summary>A network that does not go through the tunnel, with the sentence that says why.</summary>
internal sealed record SkippedNetwork(IPNetwork Network, string Reason);
