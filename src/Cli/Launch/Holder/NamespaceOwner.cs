using System.Globalization;
using System.Net;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Tun;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// Makes the network of the namespace in which this process lives: everything leaves through a TUN, names are asked of its address.
/// Nothing is undone: it vanishes with the namespace.
/// </summary>
internal static class NamespaceOwner
{
    private const int AF_NETLINK = 16, NETLINK_SOCK_DIAG = 4;

    /// <summary>Makes the network.</summary>
    /// <param name="spec">What it is to be like.</param>
    /// <param name="mounting">Held while files are mounted over.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The report, and the descriptors that the session serves.</returns>
    /// <exception cref="UserError">It could not be made.</exception>
    internal static async Task<(NamespaceReport Report, IReadOnlyList<FileDescriptor> Descriptors)> ConfigureAsync(
        NamespaceSpec spec, SemaphoreSlim mounting, CancellationToken cancellation)
    {
        List<FileDescriptor> descriptors = [];
        List<string> notes = [];
        try
        {
            bool ipv6 = spec.Ipv6 && MachineNetwork.HasIpv6();
            SetSysctls(notes);
            TunDevice tun = TunDevice.Create("tel%d");
            descriptors.Add(tun.Descriptor);
            List<IPAddress> addresses = ChooseAddresses([.. spec.Avoid.Select(IPNetwork.Parse)], ipv6);
            await ConfigureLinksAsync(tun.Name, spec.Mtu, addresses, cancellation);
            await mounting.WaitAsync(cancellation);
            try
            {
                NamespaceNames.Apply(addresses, spec.Search, spec.Options, notes);
            }
            finally
            {
                mounting.Release();
            }

            DnsSockets dns = DnsSockets.Open(addresses);
            descriptors.AddRange([.. dns.Udp, .. dns.Tcp]);
            descriptors.Add(SocketMint.Start());
            if (SocketOptions.Open(AF_NETLINK, Libc.SOCK_DGRAM, NETLINK_SOCK_DIAG) is { } diag)
                descriptors.Add(diag);
            NamespaceReport report = new()
            {
                Interface = tun.Name,
                Mtu = spec.Mtu,
                Addresses = [.. addresses.Select(static address => address.ToString())],
                DnsUdpCount = dns.Udp.Count,
                DnsTcpCount = dns.Tcp.Count,
                Notes = notes,
            };
            return (report, descriptors);
        }
        catch (Exception fault)
        {
            foreach (FileDescriptor descriptor in descriptors)
                descriptor.Dispose();
            if (fault is IOException refused)
                throw HolderFailure.ExplainNetwork(refused, KernelLimits.Read());
            throw;
        }
    }

    /// <summary>The TUN's own addresses: the first that lie in none of the networks that programs may want to reach.</summary>
    internal static List<IPAddress> ChooseAddresses(IReadOnlyList<IPNetwork> avoid, bool ipv6)
    {
        IEnumerable<IPAddress> candidates = MachineNetwork.AddressCandidates.Select(IPAddress.Parse);
        List<IPAddress> chosen =
        [
            candidates.FirstOrDefault(candidate => !avoid.Any(network => network.PrefixLength > 1 && network.Contains(candidate)))
                ?? throw new IOException($"the cluster has routes to all of {string.Join(", ", MachineNetwork.AddressCandidates)}"),
        ];
        if (ipv6)
            chosen.Add(MachineNetwork.Address6);
        return chosen;
    }

    private static async Task ConfigureLinksAsync(string tun, int mtu, IReadOnlyList<IPAddress> addresses, CancellationToken cancellation)
    {
        LinkChange link = new(tun, mtu, [.. addresses.Select(static address => new IPNetwork(address, address.GetAddressBytes().Length * 8).ToString())]);
        string congestion = MachineNetwork.PrefersCubic() ? " congctl cubic" : "";
        List<string> commands = ["link set dev lo up", .. link.Commands()];
        foreach (IPAddress address in addresses)
            commands.Add($"route add {(address.GetAddressBytes().Length == 4 ? "0.0.0.0/0" : "::/0")} dev {tun} src {address}{congestion}");
        await IpTool.BatchAsync(family: 0, commands, force: false, cancellation);
    }

    // Low ports are free in a namespace that nobody shares, and everybody may ping: there is no privileged program to do it for them.
    private static void SetSysctls(List<string> notes)
    {
        string group = Posix.getegid().ToString(CultureInfo.InvariantCulture);
        try
        {
            File.WriteAllText("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");

            // Only groups that exist in the user namespace can be named; there, that is one.
            File.WriteAllText("/proc/sys/net/ipv4/ping_group_range", File.ReadAllText("/proc/self/setgroups").StartsWith("deny", StringComparison.Ordinal) ? $"{group} {group}" : "0 2147483647");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            notes.Add($"Programs inside cannot listen on ports below 1024, nor ping, without rights of their own: {fault.Message.TrimEnd('.')}.");
        }
    }
}
