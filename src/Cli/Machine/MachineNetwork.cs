using System.Net;
using System.Net.NetworkInformation;

using Telepresence.Tunnel.Tun;

namespace Telepresence.Cli.Machine;

/// <summary>
/// Puts a TUN device and its routes onto the machine, and keeps them as asked until the journal takes them back.
/// </summary>
/// <remarks>
/// <para>All routes live in a table of their own, <see cref="Table"/>, behind one policy rule for each family. The machine's own table is
/// read and never written: nothing in it needs restoring, and programs that manage it (VPN clients, NetworkManager, DHCP) and we do not
/// undo each other's work.</para>
/// <para>The TUN and the routes to it vanish with the last descriptor. The rule and the exceptions do not; they are in the journal.</para>
/// </remarks>
public sealed class MachineNetwork(Journal journal)
{
    /// <summary>Number of the routing table.</summary>
    public const int Table = 7700;

    /// <summary>Priority of the policy rules: behind the local table, before those that VPN clients commonly make (32,764 and down).</summary>
    public const int RulePriority = 5500;

    // Addresses that nobody routes publicly: benchmarking (RFC 2544), shared (RFC 6598), documentation (RFC 5737). The first that the
    // machine has no route for is taken.
    internal static readonly string[] AddressCandidates = ["198.18.77.1", "198.19.77.1", "100.127.77.1", "100.64.77.1", "203.0.113.77", "192.0.2.77"];
    internal static readonly IPAddress Address6 = IPAddress.Parse("fd7e:1e9e:5e4c::1");

    // The cloud's metadata, and what goes to everybody on the local network: it would get nowhere in a cluster.
    private static readonly IPNetwork[] NeverOurs = [IPNetwork.Parse("169.254.169.254/32"), IPNetwork.Parse("224.0.0.0/4"), IPNetwork.Parse("255.255.255.255/32")];

    private string _interface = "";
    private bool _ipv6;
    private HashSet<string> _written = [];
    private NetworkRequest _request = new();

    /// <summary>Makes the interface, the rules and the routes.</summary>
    /// <exception cref="IOException">No TUN device (<see cref="Exception.HResult"/> is errno) or <c>ip</c> failed.</exception>
    public async Task<NetworkResult> ConfigureAsync(NetworkRequest request, CancellationToken cancellation)
    {
        _request = request;
        _ipv6 = HasIpv6();
        IReadOnlyCollection<MachineRoute> machine = await ReadMachineRoutesAsync(cancellation).ConfigureAwait(false);
        TunDevice tun = TunDevice.Create("tel%d");
        try
        {
            _interface = tun.Name;
            List<IPAddress> addresses = [ChooseAddress(machine)];
            if (_ipv6)
                addresses.Add(Address6);
            List<Change> changes = [new LinkChange(_interface, request.Mtu, [.. addresses.Select(static address => new IPNetwork(address, address.GetAddressBytes().Length * 8).ToString())])];
            foreach (int family in Families())
            {
                changes.Add(new RoutesChange(family, Table));
                changes.Add(new RuleChange(family, RulePriority, Table));
            }

            await journal.ApplyAsync(changes, cancellation).ConfigureAwait(false);
            RoutePlan plan = MakePlan(machine);
            await WriteRoutesAsync(plan, cancellation).ConfigureAwait(false);
            return new NetworkResult(_interface, tun.Descriptor, addresses, plan.Tunnel, plan.Exceptions, [.. plan.Skipped.Select(static skipped => skipped.Reason)]);
        }
        catch
        {
            tun.Dispose();
            throw;
        }
    }

    /// <summary>Changes what is asked for, or notices what the machine has changed since, and writes only what differs.</summary>
    /// <returns>The plan now in force: networks in the tunnel, exceptions, and a sentence for each network that was skipped.</returns>
    public async Task<(IReadOnlyList<IPNetwork> Routes, IReadOnlyList<IPNetwork> Exceptions, IReadOnlyList<string> Skipped)> UpdateAsync(NetworkRequest request, CancellationToken cancellation)
    {
        _request = request;
        RoutePlan plan = MakePlan(await ReadMachineRoutesAsync(cancellation).ConfigureAwait(false));
        await WriteRoutesAsync(plan, cancellation).ConfigureAwait(false);
        await RestoreRulesAsync(cancellation).ConfigureAwait(false);
        return (plan.Tunnel, plan.Exceptions, [.. plan.Skipped.Select(static skipped => skipped.Reason)]);
    }

    /// <summary>The peer of the SSH connection that this session came through, from <c>SSH_CONNECTION</c>.</summary>
    /// <param name="sshConnection">The variable's value: client address, client port, server address, server port.</param>
    public static IPAddress? SshPeer(string? sshConnection) =>
        IPAddress.TryParse(sshConnection?.Split(' ')[0], out IPAddress? peer) ? peer : null;

    // Something else (systemd-networkd at a restart, a VPN client) may have removed a rule that is not its own.
    private async Task RestoreRulesAsync(CancellationToken cancellation)
    {
        foreach (int family in Families())
        {
            if (!(await IpTool.RulesAsync(family, cancellation).ConfigureAwait(false)).Contains((RulePriority, Table)))
                await new RuleChange(family, RulePriority, Table).ApplyAsync(cancellation).ConfigureAwait(false);
        }
    }

    private RoutePlan MakePlan(IReadOnlyCollection<MachineRoute> machine)
    {
        List<IPNetwork> asked = [.. _request.AlsoProxy];
        if (_request.Everything)
            asked.AddRange([new IPNetwork(IPAddress.Any, 0), new IPNetwork(IPAddress.IPv6Any, 0)]);
        List<IPNetwork> never = [.. _request.NeverProxy, .. NeverOurs];
        foreach (MachineRoute route in machine.Where(static route => route.Destination.PrefixLength == 0 && route.Gateway is not null))
            never.Add(new IPNetwork(route.Gateway!, route.Gateway!.GetAddressBytes().Length * 8));
        return RoutePlan.Make(_request.Found, asked, never, machine);
    }

    private async Task WriteRoutesAsync(RoutePlan plan, CancellationToken cancellation)
    {
        string congestion = PrefersCubic() ? " congctl cubic" : "";
        HashSet<string> wanted =
        [
            .. plan.Tunnel.Where(InUse).Select(network => $"{network} dev {_interface} table {Table}{congestion}"),
            .. plan.Exceptions.Where(InUse).Select(static network => $"throw {network} table {Table}"),
        ];
        foreach (int family in Families())
        {
            await IpTool.BatchAsync(family, [.. _written.Except(wanted).Where(IsOf).Select(static route => $"route delete {route}")], force: true, cancellation).ConfigureAwait(false);
            await IpTool.BatchAsync(family, [.. wanted.Except(_written).Where(IsOf).Select(static route => $"route replace {route}")], force: false, cancellation).ConfigureAwait(false);

            bool IsOf(string route) => family == FamilyOf(route);
        }

        _written = wanted;
    }

    private static int FamilyOf(string route) => route.Contains(':', StringComparison.Ordinal) ? 6 : 4;

    private bool InUse(IPNetwork network) => _ipv6 || RoutePlan.FamilyOf(network) == 4;

    private int[] Families() => _ipv6 ? [4, 6] : [4];

    private async Task<IReadOnlyCollection<MachineRoute>> ReadMachineRoutesAsync(CancellationToken cancellation)
    {
        List<MachineRoute> routes = [];
        foreach (int family in Families())
        {
            (IReadOnlyList<MachineRoute> main, int ours) = await IpTool.RoutesAsync(family, Table, cancellation).ConfigureAwait(false);
            routes.AddRange(main);

            // Somebody (systemd-networkd at a restart) has removed some of ours: all are written again.
            if (ours < _written.Count(route => FamilyOf(route) == family))
                _written.RemoveWhere(route => FamilyOf(route) == family);
        }

        // Link-local and multicast prefixes belong to every interface; nobody asks for them.
        routes.RemoveAll(route => route.Device == _interface || route.Destination.BaseAddress.IsIPv6LinkLocal || route.Destination.BaseAddress.IsIPv6Multicast);
        return routes;
    }

    private static IPAddress ChooseAddress(IReadOnlyCollection<MachineRoute> machine)
    {
        HashSet<IPAddress> own = [.. NetworkInterface.GetAllNetworkInterfaces().SelectMany(static link => link.GetIPProperties().UnicastAddresses).Select(static address => address.Address)];
        foreach (string candidate in AddressCandidates)
        {
            IPAddress address = IPAddress.Parse(candidate);
            if (!own.Contains(address) && !machine.Any(route => route.Destination.PrefixLength > 1 && route.Destination.Contains(address)))
                return address;
        }

        throw new IOException($"none of the addresses {string.Join(", ", AddressCandidates)} is free on this machine; free a route to one of them.");
    }

    internal static bool HasIpv6()
    {
        // A new interface gets what "default" says.
        return IsEnabled("all") && IsEnabled("default");

        static bool IsEnabled(string which)
        {
            string setting = $"/proc/sys/net/ipv6/conf/{which}/disable_ipv6";
            return File.Exists(setting) && File.ReadAllText(setting).Trim() == "0";
        }
    }

    // Where the machine's default is bbr, its pacing costs a third of the speed on a link that is memory; cubic does not pace.
    internal static bool PrefersCubic()
    {
        const string current = "/proc/sys/net/ipv4/tcp_congestion_control", available = "/proc/sys/net/ipv4/tcp_available_congestion_control";
        return File.Exists(current)
            && File.ReadAllText(current).Trim() is not ("cubic" or "reno")
            && File.ReadAllText(available).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Contains("cubic");
    }
}
