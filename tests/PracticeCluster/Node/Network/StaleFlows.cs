using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.PracticeCluster.Node;

/// <summary>
/// Finds the UDP flows whose translation is out of date. TCP peers notice a dead endpoint; a UDP flow would keep its old
/// translation (or, begun before there was any endpoint, none) for as long as the client keeps sending.
/// </summary>
internal static class StaleFlows
{
    /// <summary>Argument lists for conntrack(8), one call each.</summary>
    internal static IEnumerable<string[]> Between(IReadOnlyList<ServiceView> before, IReadOnlyList<ServiceView> after)
    {
        Dictionary<IPEndPoint, HashSet<IPEndPoint>> old = Udp(before);
        Dictionary<IPEndPoint, HashSet<IPEndPoint>> current = Udp(after);
        foreach ((IPEndPoint service, HashSet<IPEndPoint> targets) in current)
        {
            if (targets.Count > 0 && (!old.TryGetValue(service, out HashSet<IPEndPoint>? had) || had.Count == 0))
                yield return Delete(service, null);
        }

        foreach ((IPEndPoint service, HashSet<IPEndPoint> targets) in old)
        {
            HashSet<IPEndPoint> remaining = current.GetValueOrDefault(service, []);
            foreach (IPEndPoint gone in targets.Except(remaining))
                yield return Delete(service, gone);
        }
    }

    private static Dictionary<IPEndPoint, HashSet<IPEndPoint>> Udp(IReadOnlyList<ServiceView> services)
    {
        var result = new Dictionary<IPEndPoint, HashSet<IPEndPoint>>();
        foreach (ServiceView service in services.Where(s => s.Kind == ServiceKind.ClusterIP))
        {
            foreach (IPAddress address in service.ClusterAddresses)
            {
                foreach (ServicePortView port in service.Ports.Where(p => p.Protocol == "UDP"))
                    result[new IPEndPoint(address, port.Port)] = [.. ServiceRules.Targets(service, port, address.AddressFamily)];
            }
        }

        return result;
    }

    private static string[] Delete(IPEndPoint service, IPEndPoint? target)
    {
        string[] arguments =
        [
            "-D", "-p", "udp", "-f", service.AddressFamily == AddressFamily.InterNetwork ? "ipv4" : "ipv6",
            "--orig-dst", service.Address.ToString(), "--orig-port-dst", service.Port.ToString(CultureInfo.InvariantCulture),
        ];
        return target is null ? arguments : [.. arguments, "--reply-src", target.Address.ToString()];
    }
}
