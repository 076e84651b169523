using System.Net;
using System.Net.Sockets;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Machine;
using Telepresence.Dns;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// Puts together what the user asked for, what the cluster said and what the proxy pod knows: the networks to route and the rules for
/// names. A pure function, apart from <see cref="FindExceptionsAsync"/>.
/// </summary>
internal sealed record NetworkPlan(NetworkSpec Spec, DnsRulesOptions Names, string? NameServer, IReadOnlyList<string> Notes)
{
    /// <summary>Makes a plan.</summary>
    /// <param name="request">What the user asked for.</param>
    /// <param name="network">The cluster's networks.</param>
    /// <param name="info">The proxy's report about its pod.</param>
    /// <param name="exceptions">Addresses that must stay outside.</param>
    internal static NetworkPlan Make(ConnectRequest request, ClusterNetwork network, PodReport info, IReadOnlyList<IPAddress> exceptions)
    {
        ConnectOptions options = request.Options;
        PodResolvConf resolvConf = PodResolvConf.Parse(info.ResolvConf);
        ClusterNetwork complete = network.With(
            [.. info.Addresses.Select(IPAddress.Parse)],
            [.. info.Routes.Select(IPNetwork.Parse)],
            resolvConf.NameServers);
        List<IPNetwork> found = [.. complete.Services, .. complete.Pods];
        NetworkSpec spec = new()
        {
            Found = [.. found.Select(static network => network.ToString())],
            AlsoProxy = options.AlsoProxy,
            NeverProxy = [.. options.NeverProxy.Concat(exceptions.Select(static address => Single(address).ToString())).Distinct()],
            Everything = options.All,
            ClusterDomain = resolvConf.ClusterDomain,
            Search = resolvConf.Search,
            Suffixes = [.. options.DnsSuffixes, .. options.AlsoProxyHosts],
        };
        DnsRulesOptions names = new()
        {
            ClusterDomain = resolvConf.ClusterDomain,
            Search = resolvConf.Search,
            Ndots = resolvConf.Ndots,
            Namespaces = [request.Target.Namespace],
            ClusterSuffixes = spec.Suffixes,
            ReverseZones = [.. found.Concat(options.AlsoProxy.Select(IPNetwork.Parse)).SelectMany(ReverseZones.ForSubnet)],

            // The API server must be found whatever becomes of the tunnel that leads through it.
            Excludes = [.. options.NeverProxyHosts, .. HostName(request.Target.Server)],
            Everything = options.All,
        };
        return new NetworkPlan(spec, names, resolvConf.NameServers.Count > 0 ? resolvConf.NameServers[0].ToString() : null, complete.Notes);
    }

    /// <summary>Looks up what must never go into the tunnel: the API server, a proxy on the way to it, the SSH peer, and hosts of <c>--never-proxy</c>.</summary>
    /// <exception cref="UserError">A host of <c>--never-proxy</c> does not exist.</exception>
    internal static async Task<IReadOnlyList<IPAddress>> FindExceptionsAsync(
        string server, IReadOnlyList<string> neverProxyHosts, IReadOnlyDictionary<string, string> environment, CancellationToken cancellation)
    {
        List<IPAddress> found = [];
        List<string> servers = [server];
        foreach (string name in (ReadOnlySpan<string>)["HTTPS_PROXY", "https_proxy"])
        {
            if (environment.TryGetValue(name, out string? proxy))
                servers.Add(proxy);
        }

        foreach (string url in servers)
        {
            if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? uri))
                continue;
            try
            {
                found.AddRange(await System.Net.Dns.GetHostAddressesAsync(uri.DnsSafeHost, cancellation));
            }
            catch (SocketException)
            {
                // Only the HTTP proxy knows the name, or nobody: then kubectl says so, and better.
            }
        }

        foreach (string host in neverProxyHosts)
        {
            try
            {
                found.AddRange(await System.Net.Dns.GetHostAddressesAsync(host, cancellation));
            }
            catch (SocketException fault)
            {
                throw new UserError(ExitCode.BadArguments, $"--never-proxy {host}: {fault.Message}; give a name that this machine can look up, or a CIDR.", fault);
            }
        }

        if (MachineNetwork.SshPeer(environment.GetValueOrDefault("SSH_CONNECTION")) is { } peer)
            found.Add(peer);
        return [.. found.Where(static address => !IPAddress.IsLoopback(address)).Distinct()];
    }

    /// <summary>The address as a network of its own.</summary>
    internal static IPNetwork Single(IPAddress address) => new(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128);

    /// <summary>The host name of an URL, if it is one that is looked up.</summary>
    internal static string[] HostName(string server) =>
        Uri.TryCreate(server, UriKind.Absolute, out Uri? uri) && uri.HostNameType == UriHostNameType.Dns && uri.Host != "localhost" ? [uri.Host] : [];
}
