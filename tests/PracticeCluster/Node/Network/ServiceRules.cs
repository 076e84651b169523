using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Writes the nftables rules that make ClusterIPs work, from a snapshot of all Services.</summary>
/// <remarks>
/// The shape is kube-proxy's nftables mode: one verdict map per family from (ClusterIP, protocol, port) to the Service's
/// chain, which picks an endpoint's chain at random; an endpoint's own traffic to its Service is masqueraded (hairpin).
/// A known port without endpoints, or an unknown port of a known ClusterIP, is rejected; an unallocated ClusterIP is
/// dropped. With session affinity the endpoint follows from a hash of the client's address, so it holds (only) as long as
/// the set of endpoints does.
/// </remarks>
internal static class ServiceRules
{
    internal const string Table = "practice_services";
    private const int HairpinMark = 0x4000;

    internal static string Write(IReadOnlyList<ServiceView> services, IReadOnlyList<IPNetwork> serviceNetworks)
    {
        var chains = new StringBuilder();
        var maps = new Dictionary<AddressFamily, List<string>>
        {
            [AddressFamily.InterNetwork] = [],
            [AddressFamily.InterNetworkV6] = [],
        };
        var addresses = new Dictionary<AddressFamily, List<string>>
        {
            [AddressFamily.InterNetwork] = [],
            [AddressFamily.InterNetworkV6] = [],
        };
        int number = 0;
        foreach (ServiceView service in services.Where(s => s.Kind == ServiceKind.ClusterIP))
        {
            foreach (IPAddress address in service.ClusterAddresses)
            {
                addresses[address.AddressFamily].Add(address.ToString());
                foreach (ServicePortView port in service.Ports)
                {
                    List<IPEndPoint> targets = Targets(service, port, address.AddressFamily);
                    if (targets.Count == 0)
                        continue;
                    string chain = string.Create(CultureInfo.InvariantCulture, $"s{number++}");
                    AppendServiceChain(chains, chain, targets, service.Affinity is not null);
                    maps[address.AddressFamily].Add(string.Create(CultureInfo.InvariantCulture,
                        $"{address} . {Protocol(port)} . {port.Port} : goto {chain}"));
                }
            }
        }

        var script = new StringBuilder();
        script.Append(CultureInfo.InvariantCulture, $"table inet {Table} {{}}\ndelete table inet {Table}\ntable inet {Table} {{\n");
        script.Append(chains);
        AppendMap(script, "ports4", "ipv4_addr", maps[AddressFamily.InterNetwork]);
        AppendMap(script, "ports6", "ipv6_addr", maps[AddressFamily.InterNetworkV6]);
        AppendSet(script, "addresses4", "ipv4_addr", addresses[AddressFamily.InterNetwork]);
        AppendSet(script, "addresses6", "ipv6_addr", addresses[AddressFamily.InterNetworkV6]);
        script.Append(CultureInfo.InvariantCulture, $$"""
              chain services {
                ip daddr . meta l4proto . th dport vmap @ports4
                ip6 daddr . meta l4proto . th dport vmap @ports6
              }
              chain prerouting { type nat hook prerouting priority dstnat; jump services; }
              chain output { type nat hook output priority -100; jump services; }
              chain postrouting { type nat hook postrouting priority srcnat; meta mark & {{HairpinMark}} == {{HairpinMark}} masquerade; }
              chain unserved {
                ip daddr @addresses4 reject with icmpx port-unreachable
                ip6 daddr @addresses6 reject with icmpx port-unreachable
            {{string.Concat(serviceNetworks.Select(n => $"    {(n.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? "ip" : "ip6")} daddr {n} drop\n"))}}  }
              chain forward { type filter hook forward priority filter; ct state new jump unserved; }
              chain local { type filter hook output priority filter; ct state new jump unserved; }
            }
            """);
        script.Append('\n');
        return script.ToString();
    }

    /// <summary>The ready endpoints of one port in one family, in a stable order.</summary>
    internal static List<IPEndPoint> Targets(ServiceView service, ServicePortView port, AddressFamily family) =>
        [.. service.Endpoints
            .Where(e => (e.Ready || service.PublishNotReady) && e.Address.AddressFamily == family && e.Ports.ContainsKey(port.Name))
            .Select(e => new IPEndPoint(e.Address, e.Ports[port.Name]))
            .Distinct()
            .OrderBy(e => e.ToString(), StringComparer.Ordinal)];

    private static string Protocol(ServicePortView port) => port.Protocol.ToLowerInvariant();

    private static void AppendServiceChain(StringBuilder script, string chain, List<IPEndPoint> targets, bool affinity)
    {
        string ip = targets[0].AddressFamily == AddressFamily.InterNetwork ? "ip" : "ip6";
        var verdicts = new List<string>();
        for (int i = 0; i < targets.Count; i++)
        {
            IPEndPoint target = targets[i];
            script.Append(CultureInfo.InvariantCulture, $$"""
                  chain {{chain}}_{{i}} { {{ip}} saddr {{target.Address}} meta mark set meta mark | {{HairpinMark}}; meta l4proto { tcp, udp, sctp } dnat {{ip}} to {{target}}; }

                """);
            verdicts.Add(string.Create(CultureInfo.InvariantCulture, $"{i} : goto {chain}_{i}"));
        }

        string choice = affinity ? $"jhash {ip} saddr" : "numgen random";
        script.Append(CultureInfo.InvariantCulture,
            $"  chain {chain} {{ {choice} mod {targets.Count} vmap {{ {string.Join(", ", verdicts)} }}; }}\n");
    }

    private static void AppendMap(StringBuilder script, string name, string type, List<string> elements) =>
        script.Append(CultureInfo.InvariantCulture,
            $"  map {name} {{ type {type} . inet_proto . inet_service : verdict; {Elements(elements)}}}\n");

    private static void AppendSet(StringBuilder script, string name, string type, List<string> elements) =>
        script.Append(CultureInfo.InvariantCulture, $"  set {name} {{ type {type}; {Elements([.. elements.Distinct()])}}}\n");

    private static string Elements(List<string> elements) =>
        elements.Count == 0 ? "" : $"elements = {{ {string.Join(", ", elements)} }}; ";
}
