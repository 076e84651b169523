using System.Net;
using System.Net.Sockets;

namespace Telepresence.Cli.Cluster;

/// <summary>The cluster's networks, as far as this user can find them out.</summary>
/// <param name="Services">Ranges of Service addresses.</param>
/// <param name="Pods">Ranges of pod addresses.</param>
/// <param name="Notes">A sentence for each thing that is not known for certain, with what to do about it.</param>
internal sealed record ClusterNetwork(IReadOnlyList<IPNetwork> Services, IReadOnlyList<IPNetwork> Pods, IReadOnlyList<string> Notes)
{
    private const int GuessedPrefix4 = 16, GuessedPrefix6 = 64;

    /// <summary>Asks for everything at once.</summary>
    internal static async Task<ClusterNetwork> FindAsync(KubeClient client, string @namespace, CancellationToken cancellation)
    {
        Task<IReadOnlyList<IPNetwork>> ranges = new ServiceRange(client, @namespace).FindAsync(cancellation);
        Task<IReadOnlyList<IPNetwork>> nodes = NodeRangesAsync(client, cancellation);
        Task<IReadOnlyList<IPAddress>> pods = PodAddressesAsync(client, @namespace, cancellation);
        Task<IReadOnlyList<IPAddress>> services = ServiceAddressesAsync(client, @namespace, cancellation);
        return Combine(await ranges, await nodes, await services, await pods);
    }

    /// <summary>Puts what was found together; a pure function.</summary>
    /// <param name="serviceRanges">Ranges that the server named.</param>
    /// <param name="nodeRanges">The nodes' pod ranges.</param>
    /// <param name="services">Service addresses seen.</param>
    /// <param name="pods">Pod addresses seen.</param>
    internal static ClusterNetwork Combine(
        IReadOnlyList<IPNetwork> serviceRanges, IReadOnlyList<IPNetwork> nodeRanges, IReadOnlyList<IPAddress> services, IReadOnlyList<IPAddress> pods)
    {
        List<string> notes = [];
        List<IPNetwork> serviceNetworks = [.. serviceRanges];
        foreach (IPNetwork guess in Guess(services, serviceRanges))
        {
            serviceNetworks.Add(guess);
            notes.Add(GuessedServiceRange(guess));
        }

        List<IPNetwork> podNetworks = [.. nodeRanges];
        podNetworks.AddRange(Guess(pods, [.. nodeRanges, .. serviceNetworks]));
        return new ClusterNetwork(Simplify(serviceNetworks), Simplify(podNetworks), notes);
    }

    /// <summary>Adds what the proxy pod says about itself: its addresses, its routes and its name servers.</summary>
    /// <param name="addresses">The pod's own addresses.</param>
    /// <param name="routes">Destinations that its routing table names, other than the default.</param>
    /// <param name="nameservers">Addresses of its name servers.</param>
    internal ClusterNetwork With(IReadOnlyList<IPAddress> addresses, IReadOnlyList<IPNetwork> routes, IReadOnlyList<IPAddress> nameservers)
    {
        List<IPNetwork> pods = [.. Pods, .. routes.Where(route => IsPlausible(route) && addresses.Any(address => address.AddressFamily == route.BaseAddress.AddressFamily))];
        List<string> notes = [.. Notes];
        foreach (IPNetwork guess in Guess(addresses, [.. pods, .. Services]))
            pods.Add(guess);
        if (Pods.Count == 0 && pods.Count > 0)
            notes.Add($"The pod network {string.Join(", ", Simplify(pods))} is taken from the proxy pod, because you may not list nodes; if a pod is not reached, add its network with --also-proxy.");

        // A name server outside the known networks is a Service whose range nobody told, or, with a node-local cache, an address of its
        // own. The resolver reaches either through the pod; people and programs also ask it directly.
        List<IPNetwork> services = [.. Services];
        foreach (IPAddress server in nameservers.Where(server => !IPAddress.IsLoopback(server) && !IsLinkLocal(server) && !pods.Concat(Services).Any(network => network.Contains(server))))
        {
            if (Services.Any(range => range.BaseAddress.AddressFamily == server.AddressFamily))
            {
                services.Add(Single(server));
                continue;
            }

            IPNetwork guess = Guess([server], []).First();
            services.Add(guess);
            notes.Add(GuessedServiceRange(guess));
        }

        return new ClusterNetwork(Simplify(services), Simplify(pods), notes);
    }

    private static string GuessedServiceRange(IPNetwork guess) =>
        $"The Service network {guess} is a guess, because you may neither create services in this namespace nor list servicecidrs; if a Service is not reached, add its network with --also-proxy.";

    private static IEnumerable<IPNetwork> Guess(IEnumerable<IPAddress> seen, IReadOnlyList<IPNetwork> known) =>
        seen.Where(address => !known.Any(network => network.Contains(address)) && !IPAddress.IsLoopback(address) && !IsLinkLocal(address))
            .Select(static address => Prefix(address, address.AddressFamily == AddressFamily.InterNetwork ? GuessedPrefix4 : GuessedPrefix6))
            .Distinct();

    // Sorted, without those that another one holds.
    private static IReadOnlyList<IPNetwork> Simplify(IEnumerable<IPNetwork> networks)
    {
        List<IPNetwork> kept = [];
        foreach (IPNetwork network in networks.Distinct().OrderBy(static network => network.PrefixLength))
        {
            if (!kept.Any(outer => outer.BaseAddress.AddressFamily == network.BaseAddress.AddressFamily && outer.Contains(network.BaseAddress)))
                kept.Add(network);
        }

        return [.. kept.OrderBy(static network => network.BaseAddress.AddressFamily).ThenBy(static network => network.ToString(), StringComparer.Ordinal)];
    }

    private static bool IsPlausible(IPNetwork route) =>
        route.PrefixLength >= 8
        && route.PrefixLength < (route.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 32 : 128)
        && !IsLinkLocal(route.BaseAddress)
        && !IPAddress.IsLoopback(route.BaseAddress)
        && !route.BaseAddress.IsIPv6Multicast;

    private static bool IsLinkLocal(IPAddress address) =>
        address.IsIPv6LinkLocal || (address.AddressFamily == AddressFamily.InterNetwork && address.GetAddressBytes() is [169, 254, ..]);

    private static IPNetwork Single(IPAddress address) => new(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128);

    private static IPNetwork Prefix(IPAddress address, int length)
    {
        byte[] bytes = address.GetAddressBytes();
        for (int bit = length; bit < bytes.Length * 8; bit++)
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return new IPNetwork(new IPAddress(bytes), length);
    }

    private static async Task<IReadOnlyList<IPNetwork>> NodeRangesAsync(KubeClient client, CancellationToken cancellation)
    {
        try
        {
            KubeList<Node> nodes = await client.GetAsync(KubeRequest.ListNodes(), KubeJson.Default.KubeListNode, cancellation);
            return [.. (nodes.Items ?? []).SelectMany(static node => node.Spec?.PodCidrs ?? (node.Spec?.PodCidr is string one ? [one] : [])).Select(IPNetwork.Parse)];
        }
        catch (KubeException fault) when (fault.IsForbidden)
        {
            return [];
        }
    }

    private static async Task<IReadOnlyList<IPAddress>> PodAddressesAsync(KubeClient client, string @namespace, CancellationToken cancellation)
    {
        try
        {
            KubeList<Pod> pods = await client.GetAsync(KubeRequest.ListPods(@namespace), KubeJson.Default.KubeListPod, cancellation);

            // Pods in the host's network have the node's address.
            return
            [
                .. (pods.Items ?? [])
                    .Where(static pod => pod.Status?.PodIP is not null && pod.Status.PodIP != pod.Status.HostIP)
                    .SelectMany(static pod => pod.Status!.PodIPs?.Select(static entry => entry.Ip) ?? [pod.Status.PodIP])
                    .OfType<string>()
                    .Select(IPAddress.Parse),
            ];
        }
        catch (KubeException fault) when (fault.IsForbidden)
        {
            return [];
        }
    }

    private static async Task<IReadOnlyList<IPAddress>> ServiceAddressesAsync(KubeClient client, string @namespace, CancellationToken cancellation)
    {
        try
        {
            KubeList<Service> services = await client.GetAsync(KubeRequest.ListServices(@namespace), KubeJson.Default.KubeListService, cancellation);
            return
            [
                .. (services.Items ?? [])
                    .SelectMany(static service => service.Spec?.ClusterIPs ?? (service.Spec?.ClusterIP is string one ? [one] : []))
                    .Where(static text => text is not ("None" or ""))
                    .Select(IPAddress.Parse),
            ];
        }
        catch (KubeException fault) when (fault.IsForbidden)
        {
            return [];
        }
    }
}
