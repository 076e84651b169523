using System.Net;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Machine.Resolver;
using Telepresence.Dns;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Launch;

/// <summary>What the tree's network is to be like: everything goes to the cluster, its names first, apart from a few exceptions.</summary>
/// <param name="Rules">Which names are looked up where.</param>
/// <param name="LocalServers">The machine's own name servers.</param>
/// <param name="Direct">What does not go through the cluster.</param>
/// <param name="Namespace">What the holder is asked for.</param>
internal sealed record TreeNetwork(DnsRules Rules, IReadOnlyList<IPEndPoint> LocalServers, IReadOnlyList<IPNetwork> Direct, NamespaceSpec Namespace)
{
    private const int DnsPort = 53;

    /// <summary>Makes the plan.</summary>
    /// <param name="options">What the user asked for.</param>
    /// <param name="target">Cluster and namespace.</param>
    /// <param name="report">The proxy's report about its pod.</param>
    /// <param name="exceptions">Addresses of the API server, and of hosts that stay outside.</param>
    /// <param name="machine">How the machine looks names up.</param>
    internal static TreeNetwork Plan(LaunchOptions options, KubeTarget target, PodReport report, IReadOnlyList<IPAddress> exceptions, ResolverSetup machine)
    {
        PodResolvConf resolvConf = PodResolvConf.Parse(report.ResolvConf);
        DnsRules rules = new(new DnsRulesOptions
        {
            ClusterDomain = resolvConf.ClusterDomain,
            Search = resolvConf.Search,
            Ndots = resolvConf.Ndots,
            Namespaces = [target.Namespace],
            Excludes = [.. options.NeverProxyHosts, .. NetworkPlan.HostName(target.Server)],
            LocalSearch = machine.Search,
            Everything = true,
        });
        NamespaceSpec spec = new()
        {
            Avoid = [.. report.Routes, .. report.Addresses.Select(static address => NetworkPlan.Single(IPAddress.Parse(address)).ToString()), .. resolvConf.NameServers.Select(static server => NetworkPlan.Single(server).ToString())],
            Ipv6 = report.Addresses.Any(static address => address.Contains(':', StringComparison.Ordinal)),
            Search = resolvConf.Search,
            Options = [$"ndots:{resolvConf.Ndots}"],
        };
        return new TreeNetwork(
            rules,
            [.. machine.Upstreams.Select(static server => new IPEndPoint(server, DnsPort))],
            [.. options.NeverProxy.Select(IPNetwork.Parse), .. exceptions.Select(NetworkPlan.Single)],
            spec);
    }
}
