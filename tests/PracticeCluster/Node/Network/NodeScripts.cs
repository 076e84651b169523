using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Shell that sets up the node's own namespaces.</summary>
/// <remarks>
/// Pods are not on a bridge: each has a point-to-point veth with the gateway's address on the node's end, as in kind. Pod to
/// pod traffic is then routed and meets the NAT rules like any other; a bridge would need br_netfilter for that, a module
/// that a plain Debian has not loaded.
/// </remarks>
internal static class NodeScripts
{
    /// <param name="root">Directory that becomes the node's tmpfs: all of its files.</param>
    /// <remarks>An address in the pods' networks that no pod has is unreachable, as behind a bridge, and not the outside's business.</remarks>
    internal static string Node(string root, NodeOptions options) => $"""
        mount -t tmpfs -o mode=755,size=75% practice {Commands.Quote(root)}
        cd {Commands.Quote(root)}
        mkdir pods layers images dns outside
        echo {Commands.Quote(options.NodeName)} >/proc/sys/kernel/hostname
        echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
        echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
        echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
        echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter
        ip -batch - <<END
        link set lo up
        addr add {NodeAddresses.PublicApi4}/32 dev lo
        addr add {NodeAddresses.PublicApi6}/128 dev lo
        {string.Concat(options.PodNetworks.Select(network => $"route add unreachable {network}\n"))}
        END
        nft -f - <<END
        {Filter(options)}
        END
        cd /
        """;

    /// <summary>The node's link to the outside, made by the outside's PID 1; $pid is that process.</summary>
    internal static string Outside(HeldNamespaces node) => $"""
        nsenter --net={node.NetworkPath} -- ip -batch - <<END
        link add eth0 type veth peer name eth0 netns /proc/$pid/ns/net
        addr add {NodeAddresses.Node4}/24 dev eth0
        addr add {NodeAddresses.Node6}/64 dev eth0 nodad
        addr add {NodeAddresses.Egress4}/24 dev eth0
        addr add {NodeAddresses.Egress6}/64 dev eth0 nodad
        link set eth0 up
        route add default via {NodeAddresses.Outside4}
        route add default via {NodeAddresses.Outside6}
        END
        echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
        echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
        echo outside >/proc/sys/kernel/hostname
        ip -batch - <<END
        link set lo up
        {string.Concat(OutsideAddresses.Select(address => $"addr add {address} dev eth0{(address.Contains(':', StringComparison.Ordinal) ? " nodad" : "")}\n"))}
        link set eth0 up
        END
        """;

    private static IEnumerable<string> OutsideAddresses =>
    [
        $"{NodeAddresses.Outside4}/24", $"{NodeAddresses.Outside6}/64",
        $"{NodeAddresses.OutsideDns4}/24", $"{NodeAddresses.OutsideDns6}/64",
        $"{NodeAddresses.Database4}/24", $"{NodeAddresses.Database6}/64",
        $"{NodeAddresses.Web4}/24", $"{NodeAddresses.Web6}/64",
    ];

    // Laptops hang on links named home*: they may talk to the API server's public address and to nothing else.
    private static string Filter(NodeOptions options) => string.Create(CultureInfo.InvariantCulture, $$"""
        table inet practice_node {
          chain input {
            type filter hook input priority filter;
            iifname "home*" ct state established,related accept
            iifname "home*" ip daddr {{NodeAddresses.PublicApi4}} tcp dport {{options.ApiPort}} accept
            iifname "home*" ip6 daddr {{NodeAddresses.PublicApi6}} tcp dport {{options.ApiPort}} accept
            iifname "home*" meta l4proto { icmp, ipv6-icmp } accept
            iifname "home*" reject with icmpx admin-prohibited
          }
          chain forward {
            type filter hook forward priority filter;
            iifname "home*" reject with icmpx admin-prohibited
            oifname "home*" reject with icmpx admin-prohibited
          }
          chain postrouting {
            type nat hook postrouting priority 90;
            oifname "eth0" meta nfproto ipv4 ip saddr != { {{NodeAddresses.Node4}}, {{NodeAddresses.Egress4}} } snat ip to {{NodeAddresses.Egress4}}
            oifname "eth0" meta nfproto ipv6 ip6 saddr { {{options.PodNetworks[1]}} } snat ip6 to {{NodeAddresses.Egress6}}
          }
        }
        """);
}
