using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>A pod's /etc/resolv.conf and /etc/hosts.</summary>
internal static class ResolverFile
{
    internal static string Resolve(JsonNode pod, NodeOptions options)
    {
        string policy = pod.Text("spec", "dnsPolicy") ?? "ClusterFirst";
        List<string> servers = [];
        List<string> search = [];
        var settings = new Dictionary<string, string?>();
        if (policy is "Default")
        {
            servers.Add(NodeAddresses.OutsideDns4.ToString());
        }
        else if (policy != "None")
        {
            // One nameserver, as a kubelet's clusterDNS usually has, also in a cluster of both families.
            servers.Add(options.DnsServiceAddresses[0].ToString());
            string domain = options.ClusterDomain;
            search.AddRange([$"{pod.Text("metadata", "namespace")}.svc.{domain}", $"svc.{domain}", domain]);
            settings["ndots"] = "5";
        }

        JsonNode? configuration = pod.At("spec", "dnsConfig");
        servers.AddRange(configuration.Texts("nameservers"));
        search.AddRange(configuration.Texts("searches"));
        foreach (JsonNode option in configuration.Items("options"))
            settings[option.Text("name")!] = option.Text("value");

        var text = new StringBuilder();
        if (search.Count > 0)
            text.Append("search ").AppendJoin(' ', search.Distinct()).Append('\n');
        foreach (string server in servers.Distinct().Take(3))
            text.Append("nameserver ").Append(server).Append('\n');
        if (settings.Count > 0)
            text.Append("options ").AppendJoin(' ', settings.Select(pair => pair.Value is null ? pair.Key : $"{pair.Key}:{pair.Value}")).Append('\n');
        return text.ToString();
    }

    internal static string Hosts(JsonNode pod, IReadOnlyList<IPAddress> addresses, string clusterDomain)
    {
        string name = pod.Text("spec", "hostname") ?? pod.Text("metadata", "name")!;
        string own = pod.Text("spec", "subdomain") is { Length: > 0 } subdomain
            ? $"{name}.{subdomain}.{pod.Text("metadata", "namespace")}.svc.{clusterDomain}\t{name}"
            : name;
        var text = new StringBuilder("""
            # Kubernetes-managed hosts file.
            127.0.0.1	localhost
            ::1	localhost ip6-localhost ip6-loopback
            fe00::0	ip6-localnet
            fe00::0	ip6-mcastprefix
            fe00::1	ip6-allnodes
            fe00::2	ip6-allrouters

            """);
        foreach (IPAddress address in addresses)
            text.Append(address).Append('\t').Append(own).Append('\n');
        foreach (JsonNode alias in pod.Items("spec", "hostAliases"))
            text.Append(alias.Text("ip")).Append('\t').AppendJoin('\t', alias.Texts("hostnames")).Append('\n');
        return text.ToString();
    }
}
