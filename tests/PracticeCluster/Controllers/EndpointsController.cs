using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>
/// Services with a selector: Endpoints and one EndpointSlice per address family from the pods. Services without one: what
/// somebody wrote into Endpoints of the same name is mirrored into EndpointSlices.
/// </summary>
internal sealed class EndpointsController(Registry registry) : IController
{
    private const string ManagedBy = "endpointslice.kubernetes.io/managed-by";
    private const string ServiceName = "kubernetes.io/service-name";

    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (change.Type == ResourceTypes.Services || change.Type == ResourceTypes.Endpoints)
            yield return (change.Item.Namespace(), change.Item.Name());
        if (change.Type != ResourceTypes.Pods) yield break;
        foreach (var service in registry.Store.List(ResourceTypes.Services, change.Item.Namespace()))
        {
            var selector = Selector(service);
            if (selector is not null && (selector.Matches(change.Item) || (change.Old is not null && selector.Matches(change.Old))))
                yield return (service.Namespace(), service.Name());
        }
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        var service = registry.Store.Get(ResourceTypes.Services, namespaceName, name);
        if (namespaceName == "default" && name == "kubernetes") return null;
        if (service is null || service.Str("spec", "type") == "ExternalName")
        {
            if (service is null) registry.Store.Remove(ResourceTypes.Endpoints, namespaceName, name);
            WriteSlices(namespaceName, name, null, [], "");
            return null;
        }
        if (Selector(service) is { } selector) FromPods(service, selector);
        else Mirror(service);
        return null;
    }

    private static LabelSelector? Selector(JsonObject service) =>
        service.Str("spec", "type") != "ExternalName" && service.Map("spec", "selector") is { Count: > 0 } map ? LabelSelector.FromMap(map) : null;

    private void FromPods(JsonObject service, LabelSelector selector)
    {
        var unready = service.Flag("spec", "publishNotReadyAddresses") == true;
        var pods = registry.Store.List(ResourceTypes.Pods, service.Namespace())
            .Where(p => selector.Matches(p) && p.Str("status", "podIP") is not null && p.Str("status", "phase") is not ("Succeeded" or "Failed")).ToList();
        var family = service.Strings("spec", "ipFamilies") is [var first, ..] ? first : "IPv4";
        WriteEndpoints(service, pods, family, unready);
        var slices = new List<JsonObject>();
        foreach (var f in service.Strings("spec", "ipFamilies"))
        {
            // Pods may resolve a named target port differently: one slice for each outcome.
            foreach (var group in pods.Where(p => AddressOf(p, f) is not null).GroupBy(p => Ports(service, p).ToJsonString()))
                slices.Add(Slice(f, Ports(service, group.First()), group.Select(p => Endpoint(service, p, f, unready))));
            if (slices.All(s => s.Str("addressType") != f)) slices.Add(Slice(f, [], []));
        }
        WriteSlices(service.Namespace(), service.Name(), service, slices, "endpointslice-controller.k8s.io");
    }

    private void WriteEndpoints(JsonObject service, List<JsonObject> pods, string family, bool unready)
    {
        var subsets = new JsonArray();
        foreach (var group in pods.Where(p => AddressOf(p, family) is not null).GroupBy(p => Ports(service, p).ToJsonString()))
        {
            var subset = new JsonObject();
            var ready = group.Where(p => (PodFacts.IsReady(p) && !p.IsDeleting()) || unready).Select(p => Address(service, p, family)).ToList();
            var not = group.Where(p => !PodFacts.IsReady(p) && !p.IsDeleting() && !unready).Select(p => Address(service, p, family)).ToList();
            if (ready.Count > 0) subset["addresses"] = Json.ArrayOf(ready);
            if (not.Count > 0) subset["notReadyAddresses"] = Json.ArrayOf(not);
            if (subset.Count == 0) continue;
            subset["ports"] = Ports(service, group.First());
            subsets.Add(subset);
        }
        var labels = service.Obj("metadata", "labels")?.Copy() ?? [];
        if (service.Str("spec", "clusterIP") == "None") labels["service.kubernetes.io/headless"] = "";
        Put(ResourceTypes.Endpoints, service.Namespace(), service.Name(), item =>
        {
            item.Meta()["labels"] = labels.DeepClone();
            if (subsets.Count > 0) item["subsets"] = subsets.DeepClone();
            else item.Remove("subsets");
        });
    }

    private void Mirror(JsonObject service)
    {
        var endpoints = registry.Store.Get(ResourceTypes.Endpoints, service.Namespace(), service.Name());
        var slices = new List<JsonObject>();
        foreach (var subset in endpoints.Each("subsets"))
        {
            var all = subset.Each("addresses").Select(a => (Address: a, Ready: true)).Concat(subset.Each("notReadyAddresses").Select(a => (Address: a, Ready: false)));
            foreach (var family in all.GroupBy(a => IPAddress.TryParse(a.Address.Str("ip"), out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6 ? "IPv6" : "IPv4"))
                slices.Add(Slice(family.Key, (JsonArray?)subset.Arr("ports")?.DeepClone() ?? [], family.Select(a => MirrorEndpoint(a.Address, a.Ready))));
        }
        WriteSlices(service.Namespace(), service.Name(), endpoints, slices, "endpointslicemirroring-controller.k8s.io");
    }

    private static JsonObject MirrorEndpoint(JsonObject address, bool ready)
    {
        var endpoint = new JsonObject { ["addresses"] = new JsonArray(address.Str("ip")), ["conditions"] = new JsonObject { ["ready"] = ready } };
        if (address.Str("hostname") is { } host) endpoint["hostname"] = host;
        return endpoint;
    }

    private static JsonObject Slice(string family, JsonArray ports, IEnumerable<JsonObject> endpoints)
    {
        foreach (var port in ports.OfType<JsonObject>()) port.Default("name", "");
        return new JsonObject { ["addressType"] = family, ["endpoints"] = Json.ArrayOf(endpoints), ["ports"] = ports };
    }

    private void WriteSlices(string namespaceName, string name, JsonObject? owner, List<JsonObject> slices, string manager)
    {
        var old = registry.Store.List(ResourceTypes.EndpointSlices, namespaceName)
            .Where(s => s.Str("metadata", "labels", ServiceName) == name && s.Str("metadata", "labels", ManagedBy) is
                "endpointslice-controller.k8s.io" or "endpointslicemirroring-controller.k8s.io").ToList();
        foreach (var slice in slices)
        {
            var there = old.FirstOrDefault(s => s.Str("addressType") == slice.Str("addressType") && s.Str("metadata", "labels", ManagedBy) == manager);
            if (there is not null) old.Remove(there);
            Put(ResourceTypes.EndpointSlices, namespaceName, there?.Name() ?? $"{name}-{RandomName.Suffix()}", item =>
            {
                item.Meta()["generateName"] = $"{name}-";
                item.Meta()["labels"] = new JsonObject { [ManagedBy] = manager, [ServiceName] = name };
                if (owner is not null) item.Meta()["ownerReferences"] = new JsonArray(PodFacts.OwnerReference(owner));
                foreach (var (field, value) in slice) item[field] = value?.DeepClone();
            });
        }
        foreach (var stale in old) registry.Store.Remove(ResourceTypes.EndpointSlices, namespaceName, stale.Name());
    }

    private void Put(ResourceType type, string namespaceName, string name, Action<JsonObject> fill)
    {
        if (registry.Store.Get(type, namespaceName, name) is null)
        {
            var home = registry.Store.Get(ResourceTypes.Namespaces, "", namespaceName);
            if (home is null || home.IsDeleting()) return;
            var item = new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } };
            fill(item);
            registry.Create(type, namespaceName, item, WriteContext.Internal);
        }
        else
        {
            registry.Store.Replace(type, namespaceName, name, item =>
            {
                fill(item);
                return item;
            });
        }
    }

    private static JsonArray Ports(JsonObject service, JsonObject pod)
    {
        var ports = new JsonArray();
        foreach (var port in service.Each("spec", "ports"))
        {
            if (TargetPort(port, pod) is not { } number) continue;
            var entry = new JsonObject();
            if (port.Str("name") is { Length: > 0 } name) entry["name"] = name;
            entry["port"] = number;
            entry["protocol"] = port.Str("protocol") ?? "TCP";
            ports.Add(entry);
        }
        return ports;
    }

    private static int? TargetPort(JsonObject port, JsonObject pod)
    {
        if (port.Num("targetPort") is { } number) return (int)number;
        var name = port.Str("targetPort");
        if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var digits)) return digits;
        var match = pod.Each("spec", "containers").SelectMany(c => c.Each("ports"))
            .FirstOrDefault(p => p.Str("name") == name && (p.Str("protocol") ?? "TCP") == (port.Str("protocol") ?? "TCP"));
        return (int?)match.Num("containerPort");
    }

    private static JsonObject Address(JsonObject service, JsonObject pod, string family)
    {
        var address = new JsonObject { ["ip"] = AddressOf(pod, family) };
        if (Hostname(service, pod) is { } host) address["hostname"] = host;
        address["nodeName"] = pod.Str("spec", "nodeName");
        address["targetRef"] = Target(pod);
        return address;
    }

    private static JsonObject Endpoint(JsonObject service, JsonObject pod, string family, bool unready)
    {
        var serving = PodFacts.IsReady(pod);
        var endpoint = new JsonObject
        {
            ["addresses"] = new JsonArray(AddressOf(pod, family)),
            ["conditions"] = new JsonObject
            {
                ["ready"] = unready || (serving && !pod.IsDeleting()),
                ["serving"] = serving,
                ["terminating"] = pod.IsDeleting(),
            },
        };
        if (Hostname(service, pod) is { } host) endpoint["hostname"] = host;
        endpoint["nodeName"] = pod.Str("spec", "nodeName");
        endpoint["targetRef"] = Target(pod);
        return endpoint;
    }

    private static JsonObject Target(JsonObject pod) => new()
    {
        ["kind"] = "Pod",
        ["name"] = pod.Name(),
        ["namespace"] = pod.Namespace(),
        ["uid"] = pod.Uid(),
    };

    private static string? Hostname(JsonObject service, JsonObject pod) =>
        pod.Str("spec", "subdomain") == service.Name() ? pod.Str("spec", "hostname") : null;

    private static string? AddressOf(JsonObject pod, string family) => pod.Each("status", "podIPs").Select(p => p.Str("ip"))
        .FirstOrDefault(ip => ip is not null && ip.Contains(':') == (family == "IPv6"));
}
