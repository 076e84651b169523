using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.PracticeCluster.Node;

/// <summary>The records of the cluster's zone, from the snapshot of all Services and pods.</summary>
/// <remarks>Kubernetes DNS-based service discovery specification, version 1.1.0; pod names as in its deprecated section 2.5.</remarks>
internal static class ClusterRecords
{
    internal static IEnumerable<DnsRecord> Of(
        IReadOnlyList<ServiceView> services, IEnumerable<PodAddress> pods, string clusterDomain)
    {
        string domain = clusterDomain + ".";
        yield return new DnsRecord(domain, "SOA", $"ns.dns.{domain} hostmaster.{domain} 1 7200 1800 86400 5");
        yield return new DnsRecord($"dns-version.{domain}", "TXT", "\"1.1.0\"");
        foreach (ServiceView service in services)
        {
            string name = $"{service.Name}.{service.Namespace}.svc.{domain}";
            IEnumerable<DnsRecord> records = service.Kind switch
            {
                ServiceKind.ExternalName => [new DnsRecord(name, "CNAME", service.ExternalName!.TrimEnd('.') + ".")],
                ServiceKind.Headless => Headless(service, name),
                _ => ClusterAddress(service, name),
            };
            foreach (DnsRecord record in records)
                yield return record;
        }

        foreach (PodAddress pod in pods)
            yield return Address($"{Dashed(pod.Address)}.{pod.Namespace}.pod.{domain}", pod.Address);
    }

    private static IEnumerable<DnsRecord> ClusterAddress(ServiceView service, string name)
    {
        foreach (IPAddress address in service.ClusterAddresses)
        {
            yield return Address(name, address);
            yield return new DnsRecord(ReverseName.Of(address), "PTR", name);
        }

        foreach (ServicePortView port in service.Ports.Where(p => p.Name.Length > 0))
            yield return ServiceRecord(port, port.Port, name, name);
    }

    private static IEnumerable<DnsRecord> Headless(ServiceView service, string name)
    {
        foreach (EndpointView endpoint in service.Endpoints.Where(e => e.Ready || service.PublishNotReady))
        {
            string host = $"{endpoint.Hostname ?? Dashed(endpoint.Address)}.{name}";
            yield return Address(name, endpoint.Address);
            yield return Address(host, endpoint.Address);
            yield return new DnsRecord(ReverseName.Of(endpoint.Address), "PTR", host);
            foreach (ServicePortView port in service.Ports.Where(p => p.Name.Length > 0))
            {
                if (endpoint.Ports.TryGetValue(port.Name, out int target))
                    yield return ServiceRecord(port, target, name, host);
            }
        }
    }

    private static DnsRecord Address(string owner, IPAddress address) =>
        new(owner, address.AddressFamily == AddressFamily.InterNetwork ? "A" : "AAAA", address.ToString());

    private static DnsRecord ServiceRecord(ServicePortView port, int number, string name, string target) => new(
        string.Create(CultureInfo.InvariantCulture, $"_{port.Name}._{port.Protocol.ToLowerInvariant()}.{name}"),
        "SRV",
        string.Create(CultureInfo.InvariantCulture, $"0 100 {number} {target}"));

    private static string Dashed(IPAddress address) => address.ToString().Replace('.', '-').Replace(':', '-');
}

/// <summary>A pod's address, for its dashed name.</summary>
internal readonly record struct PodAddress(string Namespace, IPAddress Address);
