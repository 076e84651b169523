using System.Net;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Hands the node the whole set of Services and endpoints whenever one of them has changed.</summary>
internal sealed class ServiceNetwork(Registry registry, INode node) : IController
{
    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (change.Type == ResourceTypes.Services || change.Type == ResourceTypes.EndpointSlices) yield return ("", "");
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        node.ApplyServices(Views(registry.Store));
        return null;
    }

    public static IReadOnlyList<ServiceView> Views(ObjectStore store)
    {
        var slices = store.List(ResourceTypes.EndpointSlices)
            .ToLookup(s => (s.Namespace(), s.Str("metadata", "labels", "kubernetes.io/service-name")));
        return [.. store.List(ResourceTypes.Services).Where(s => !s.IsDeleting()).Select(s => View(s, slices[(s.Namespace(), s.Name())]))];
    }

    private static ServiceView View(JsonObject service, IEnumerable<JsonObject> slices)
    {
        var spec = service.Obj("spec");
        var kind = spec.Str("type") == "ExternalName" ? ServiceKind.ExternalName
            : spec.Str("clusterIP") == "None" ? ServiceKind.Headless : ServiceKind.ClusterIP;
        var affinity = spec.Str("sessionAffinity") == "ClientIP"
            ? TimeSpan.FromSeconds(spec.Num("sessionAffinityConfig", "clientIP", "timeoutSeconds") ?? 10800) : (TimeSpan?)null;
        return new ServiceView(service.Namespace(), service.Name(), kind,
            kind == ServiceKind.ClusterIP ? [.. spec.Strings("clusterIPs").Select(IPAddress.Parse)] : [],
            spec.Str("externalName"),
            [.. spec.Each("ports").Select(p => new ServicePortView(p.Str("name") ?? "", p.Str("protocol") ?? "TCP", (int)(p.Num("port") ?? 0)))],
            [.. slices.SelectMany(Endpoints)],
            spec.Flag("publishNotReadyAddresses") == true, affinity);
    }

    private static IEnumerable<EndpointView> Endpoints(JsonObject slice)
    {
        var ports = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var port in slice.Each("ports")) ports[port.Str("name") ?? ""] = (int)(port.Num("port") ?? 0);
        foreach (var endpoint in slice.Each("endpoints"))
        {
            var target = endpoint.Obj("targetRef");
            foreach (var address in endpoint.Strings("addresses"))
            {
                if (IPAddress.TryParse(address, out var ip))
                    yield return new EndpointView(ip, endpoint.Flag("conditions", "ready") != false, endpoint.Str("hostname"),
                        target.Str("kind") == "Pod" ? target.Str("name") : null, ports);
            }
        }
    }
}
