using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api.Tables;

/// <summary>The columns of each kind.</summary>
internal static class Columns
{
    private static readonly Column Name = new("Name", i => i.Name());

    private static readonly Column Age = new("Age", i => HumanTime.Since(i.Time("metadata", "creationTimestamp")));

    private static readonly Dictionary<ResourceType, IReadOnlyList<Column>> ByType = new()
    {
        [ResourceTypes.Namespaces] = [Name, new("Status", i => i.Str("status", "phase")), Age],
        [ResourceTypes.Pods] = PodColumns.All,
        [ResourceTypes.Nodes] =
        [
            Name, new("Status", NodeStatus), new("Roles", NodeRoles), Age, new("Version", i => i.Str("status", "nodeInfo", "kubeletVersion")),
            new("Internal-IP", i => NodeAddress(i, "InternalIP"), Wide: true), new("External-IP", i => NodeAddress(i, "ExternalIP"), Wide: true),
            new("OS-Image", i => i.Str("status", "nodeInfo", "osImage"), Wide: true),
            new("Kernel-Version", i => i.Str("status", "nodeInfo", "kernelVersion"), Wide: true),
            new("Container-Runtime", i => i.Str("status", "nodeInfo", "containerRuntimeVersion"), Wide: true),
        ],
        [ResourceTypes.Services] =
        [
            Name, new("Type", i => i.Str("spec", "type")), new("Cluster-IP", i => i.Str("spec", "clusterIP") ?? "<none>"),
            new("External-IP", i => i.Str("spec", "externalName") ?? (i.Str("spec", "type") == "LoadBalancer" ? "<pending>" : "<none>")),
            new("Port(s)", ServicePorts), Age, new("Selector", i => Labels(i.Map("spec", "selector")), Wide: true),
        ],
        [ResourceTypes.Endpoints] = [Name, new("Endpoints", EndpointList), Age],
        [ResourceTypes.EndpointSlices] =
        [
            Name, new("AddressType", i => i.Str("addressType")), new("Ports", i => Some(i.Each("ports").Select(p => p.Str("port") ?? "*"), "<unset>")),
            new("Endpoints", i => Some(i.Each("endpoints").SelectMany(e => e.Strings("addresses")), "<unset>")), Age,
        ],
        [ResourceTypes.ConfigMaps] = [Name, new("Data", i => (i.Obj("data")?.Count ?? 0) + (i.Obj("binaryData")?.Count ?? 0)), Age],
        [ResourceTypes.Secrets] = [Name, new("Type", i => i.Str("type")), new("Data", i => i.Obj("data")?.Count ?? 0), Age],
        [ResourceTypes.ServiceAccounts] = [Name, new("Secrets", i => i.Arr("secrets")?.Count ?? 0), Age],
        [ResourceTypes.Events] =
        [
            new("Last Seen", i => HumanTime.Since(i.Time("lastTimestamp") ?? i.Time("eventTime"))), new("Type", i => i.Str("type")),
            new("Reason", i => i.Str("reason")), new("Object", i => $"{i.Str("involvedObject", "kind")?.ToLowerInvariant()}/{i.Str("involvedObject", "name")}"),
            new("Subobject", i => i.Str("involvedObject", "fieldPath") ?? "", Wide: true),
            new("Source", i => string.Join(", ", new[] { i.Str("source", "component"), i.Str("source", "host") }.OfType<string>()), Wide: true),
            new("Message", i => i.Str("message")?.Trim()), new("First Seen", i => HumanTime.Since(i.Time("firstTimestamp")), Wide: true),
            new("Count", i => i.Str("count"), Wide: true), new("Name", i => i.Name(), Wide: true),
        ],
        [ResourceTypes.Deployments] =
        [
            Name, new("Ready", i => $"{i.Num("status", "readyReplicas") ?? 0}/{i.Num("spec", "replicas") ?? 0}"),
            new("Up-to-date", i => i.Num("status", "updatedReplicas") ?? 0, Type: "integer"),
            new("Available", i => i.Num("status", "availableReplicas") ?? 0, Type: "integer"), Age,
            .. WorkloadColumns(),
        ],
        [ResourceTypes.ReplicaSets] =
        [
            Name, new("Desired", i => i.Num("spec", "replicas") ?? 0, Type: "integer"),
            new("Current", i => i.Num("status", "replicas") ?? 0, Type: "integer"),
            new("Ready", i => i.Num("status", "readyReplicas") ?? 0, Type: "integer"), Age,
            .. WorkloadColumns(),
        ],
        [ResourceTypes.ResourceQuotas] =
        [
            Name, new("Request", i => QuotaCell(i, limits: false)), new("Limit", i => QuotaCell(i, limits: true)), Age,
        ],
        [ResourceTypes.LimitRanges] = [Name, new("Created At", i => i.Str("metadata", "creationTimestamp"))],
        [ResourceTypes.Leases] = [Name, new("Holder", i => i.Str("spec", "holderIdentity") ?? ""), Age],
        [ResourceTypes.Roles] = [Name, new("Created At", i => i.Str("metadata", "creationTimestamp"))],
        [ResourceTypes.ClusterRoles] = [Name, new("Created At", i => i.Str("metadata", "creationTimestamp"))],
        [ResourceTypes.RoleBindings] = Binding(),
        [ResourceTypes.ClusterRoleBindings] = Binding(),
    };

    public static IReadOnlyList<Column> Of(ResourceType type) => ByType.GetValueOrDefault(type) ?? [Name, Age];

    internal static string Labels(Dictionary<string, string> labels) =>
        Some(labels.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}"), "<none>");

    internal static string Some(IEnumerable<string> values, string none) => string.Join(',', values) is { Length: > 0 } text ? text : none;

    private static Column[] WorkloadColumns() =>
    [
        new("Containers", i => string.Join(',', i.Each("spec", "template", "spec", "containers").Select(c => c.Str("name"))), Wide: true),
        new("Images", i => string.Join(',', i.Each("spec", "template", "spec", "containers").Select(c => c.Str("image"))), Wide: true),
        new("Selector", i => Labels(i.Map("spec", "selector", "matchLabels")), Wide: true),
    ];

    private static Column[] Binding()
    {
        JsonNode? Subjects(JsonObject item, string kind) => string.Join(", ", item.Each("subjects").Where(s => s.Str("kind") == kind)
            .Select(s => kind == "ServiceAccount" ? $"{s.Str("namespace")}/{s.Str("name")}" : s.Str("name")));
        return
        [
            Name, new("Role", i => $"{i.Str("roleRef", "kind")}/{i.Str("roleRef", "name")}"), Age,
            new("Users", i => Subjects(i, "User"), Wide: true), new("Groups", i => Subjects(i, "Group"), Wide: true),
            new("ServiceAccounts", i => Subjects(i, "ServiceAccount"), Wide: true),
        ];
    }

    private static JsonNode? NodeStatus(JsonObject node)
    {
        var ready = node.Each("status", "conditions").FirstOrDefault(c => c.Str("type") == "Ready").Str("status") == "True" ? "Ready" : "NotReady";
        return node.Flag("spec", "unschedulable") == true ? $"{ready},SchedulingDisabled" : ready;
    }

    private static JsonNode? NodeRoles(JsonObject node) => Some(node.Map("metadata", "labels").Keys
        .Where(k => k.StartsWith("node-role.kubernetes.io/", StringComparison.Ordinal)).Select(k => k["node-role.kubernetes.io/".Length..]), "<none>");

    private static JsonNode? NodeAddress(JsonObject node, string type) =>
        node.Each("status", "addresses").FirstOrDefault(a => a.Str("type") == type).Str("address") ?? "<none>";

    private static JsonNode? ServicePorts(JsonObject service) =>
        Some(service.Each("spec", "ports").Select(p => $"{p.Str("port")}/{p.Str("protocol")}"), "<none>");

    private static JsonNode? EndpointList(JsonObject endpoints)
    {
        var all = new List<string>();
        foreach (var subset in endpoints.Each("subsets"))
        {
            var ports = subset.Each("ports").Select(p => p.Str("port")).ToList();
            foreach (var ip in subset.Each("addresses").Select(a => a.Str("ip") ?? ""))
            {
                if (ports.Count == 0) all.Add(ip);
                else all.AddRange(ports.Select(p => ip.Contains(':') ? $"[{ip}]:{p}" : $"{ip}:{p}"));
            }
        }
        return all.Count == 0 ? "<none>" : all.Count <= 3 ? string.Join(',', all) : $"{string.Join(',', all.Take(3))} + {all.Count - 3} more...";
    }

    private static JsonNode? QuotaCell(JsonObject quota, bool limits)
    {
        var used = quota.Map("status", "used");
        return string.Join(", ", quota.Map("status", "hard").OrderBy(h => h.Key, StringComparer.Ordinal)
            .Where(h => h.Key.StartsWith("limits.", StringComparison.Ordinal) == limits)
            .Select(h => $"{h.Key}: {used.GetValueOrDefault(h.Key, "0")}/{h.Value}"));
    }
}
