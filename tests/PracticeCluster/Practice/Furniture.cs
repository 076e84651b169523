using System.Net;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Controllers;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>What a fresh cluster has in it: namespaces, default roles, the node, the Services kubernetes and kube-dns.</summary>
internal sealed class Furniture(Registry registry, NodeOptions options)
{
    public const string DnsName = "coredns";

    private static readonly string[] Read = ["get", "list", "watch"];
    private static readonly string[] Write = ["create", "delete", "deletecollection", "patch", "update"];

    public void Put(NodeInfo info, string caPem)
    {
        foreach (var name in (ReadOnlySpan<string>)["default", "kube-system", "kube-public", "kube-node-lease"])
        {
            registry.Create(ResourceTypes.Namespaces, "", Named(name), WriteContext.Internal);
            NamespaceController.Furnish(registry, name, caPem);
        }
        Roles();
        Node(info);
        Service("default", "kubernetes", [First(options.ServiceNetworks[0])], new JsonArray(Port("https", 443, "TCP", options.ApiPort)));
        EndpointsOf("default", "kubernetes", [.. info.ApiEndpoints.Select(e => e.Address)], new JsonArray(
            new JsonObject { ["name"] = "https", ["port"] = options.ApiPort, ["protocol"] = "TCP" }));
        Service("kube-system", "kube-dns", options.DnsServiceAddresses, new JsonArray(Port("dns", 53, "UDP", 53), Port("dns-tcp", 53, "TCP", 53)));
        registry.Store.Replace(ResourceTypes.Services, "kube-system", "kube-dns", s =>
        {
            s.Meta()["labels"] = new JsonObject { ["k8s-app"] = "kube-dns", ["kubernetes.io/cluster-service"] = "true", ["kubernetes.io/name"] = "CoreDNS" };
            s.Make("spec")["selector"] = new JsonObject { ["k8s-app"] = "kube-dns" };
            return s;
        });
        Dns();
    }

    /// <summary>The cluster DNS: pods like any other, behind the Service kube-dns.</summary>
    private void Dns()
    {
        registry.Create(ResourceTypes.ServiceAccounts, "kube-system", Named(DnsName), WriteContext.Internal);
        var item = Named(DnsName);
        item.Meta()["labels"] = new JsonObject { ["k8s-app"] = "kube-dns", ["kubernetes.io/name"] = "CoreDNS" };
        item["spec"] = new JsonObject
        {
            ["replicas"] = 1,
            ["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["k8s-app"] = "kube-dns" } },
            ["template"] = new JsonObject
            {
                ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["k8s-app"] = "kube-dns" } },
                ["spec"] = new JsonObject
                {
                    ["serviceAccountName"] = DnsName,
                    ["dnsPolicy"] = "Default",
                    ["containers"] = new JsonArray(new JsonObject
                    {
                        ["name"] = DnsName,
                        ["image"] = "registry.k8s.io/coredns/coredns:v1.12.0",
                        ["ports"] = new JsonArray(
                            new JsonObject { ["name"] = "dns", ["containerPort"] = 53, ["protocol"] = "UDP" },
                            new JsonObject { ["name"] = "dns-tcp", ["containerPort"] = 53, ["protocol"] = "TCP" }),
                        ["readinessProbe"] = new JsonObject { ["tcpSocket"] = new JsonObject { ["port"] = 53 }, ["periodSeconds"] = 1 },
                    }),
                },
            },
        };
        registry.Create(ResourceTypes.Deployments, "kube-system", item, WriteContext.Internal);
    }

    /// <summary>The heartbeat of the node, which `kubectl describe node` shows.</summary>
    public void Beat()
    {
        var now = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", System.Globalization.CultureInfo.InvariantCulture);
        var lease = registry.Store.Get(ResourceTypes.Leases, "kube-node-lease", options.NodeName);
        if (lease is not null)
        {
            registry.Store.Replace(ResourceTypes.Leases, "kube-node-lease", options.NodeName, l =>
            {
                l.Make("spec")["renewTime"] = now;
                return l;
            });
            return;
        }
        var item = Named(options.NodeName);
        item["spec"] = new JsonObject { ["holderIdentity"] = options.NodeName, ["leaseDurationSeconds"] = 40, ["renewTime"] = now };
        registry.Create(ResourceTypes.Leases, "kube-node-lease", item, WriteContext.Internal);
    }

    private void Node(NodeInfo info)
    {
        var node = Named(options.NodeName);
        node.Meta()["labels"] = new JsonObject
        {
            ["kubernetes.io/hostname"] = options.NodeName,
            ["kubernetes.io/os"] = "linux",
            ["kubernetes.io/arch"] = "amd64",
            ["node-role.kubernetes.io/control-plane"] = "",
        };
        node["spec"] = new JsonObject
        {
            ["podCIDR"] = options.PodNetworks[0].ToString(),
            ["podCIDRs"] = Json.ArrayOf(options.PodNetworks.Select(n => n.ToString())),
        };
        var memory = $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1024}Ki";
        JsonObject Capacity() => new() { ["cpu"] = $"{Environment.ProcessorCount}", ["memory"] = memory, ["pods"] = "110", ["ephemeral-storage"] = "10Gi" };
        var status = new JsonObject
        {
            ["capacity"] = Capacity(),
            ["allocatable"] = Capacity(),
            ["addresses"] = Json.ArrayOf(info.Addresses.Select(a => new JsonObject { ["type"] = "InternalIP", ["address"] = a.ToString() })
                .Append(new JsonObject { ["type"] = "Hostname", ["address"] = options.NodeName })),
            ["nodeInfo"] = new JsonObject
            {
                ["machineID"] = "",
                ["systemUUID"] = "",
                ["bootID"] = "",
                ["kernelVersion"] = Environment.OSVersion.Version.ToString(),
                ["osImage"] = "Debian GNU/Linux",
                ["containerRuntimeVersion"] = "practice://1.0.0",
                ["kubeletVersion"] = "v1.32.0+practice",
                ["kubeProxyVersion"] = "v1.32.0+practice",
                ["operatingSystem"] = "linux",
                ["architecture"] = "amd64",
            },
        };
        PodFacts.SetCondition(status, "Ready", true, "KubeletReady", "kubelet is posting ready status");
        node["status"] = status;
        registry.Create(ResourceTypes.Nodes, "", node, WriteContext.Internal);
    }

    private void Service(string namespaceName, string name, IReadOnlyList<IPAddress> addresses, JsonArray ports)
    {
        var item = Named(name);
        item["spec"] = new JsonObject { ["clusterIPs"] = Json.ArrayOf(addresses.Select(a => a.ToString())), ["ports"] = ports };
        registry.Create(ResourceTypes.Services, namespaceName, item, WriteContext.Internal);
    }

    /// <summary>Endpoints that no controller writes: those of the API server, IPv4 as its Service is.</summary>
    private void EndpointsOf(string namespaceName, string name, IPAddress[] addresses, JsonArray ports)
    {
        if (addresses.Length == 0) return;
        var item = Named(name);
        item["subsets"] = new JsonArray(new JsonObject { ["addresses"] = Json.ArrayOf(addresses.Take(1).Select(a => new JsonObject { ["ip"] = a.ToString() })), ["ports"] = ports.DeepClone() });
        registry.Create(ResourceTypes.Endpoints, namespaceName, item, WriteContext.Internal);
        var slice = Named(name);
        slice.Meta()["labels"] = new JsonObject { ["kubernetes.io/service-name"] = name };
        slice["addressType"] = "IPv4";
        slice["endpoints"] = Json.ArrayOf(addresses.Take(1).Select(a => new JsonObject { ["addresses"] = new JsonArray(a.ToString()), ["conditions"] = new JsonObject { ["ready"] = true } }));
        slice["ports"] = ports;
        registry.Create(ResourceTypes.EndpointSlices, namespaceName, slice, WriteContext.Internal);
    }

    private void Roles()
    {
        JsonObject Rule(string group, string[] resources, string[] verbs) => new()
        {
            ["apiGroups"] = new JsonArray(group),
            ["resources"] = Json.ArrayOf(resources),
            ["verbs"] = Json.ArrayOf(verbs),
        };
        JsonObject Paths(params string[] paths) => new() { ["nonResourceURLs"] = Json.ArrayOf(paths), ["verbs"] = new JsonArray("get") };

        string[] readable = ["configmaps", "endpoints", "pods", "pods/log", "pods/status", "serviceaccounts", "services", "services/status",
            "events", "limitranges", "namespaces", "namespaces/status", "resourcequotas", "resourcequotas/status"];
        JsonObject[] view =
        [
            Rule("", readable, Read), Rule("apps", ["deployments", "deployments/scale", "deployments/status", "replicasets", "replicasets/scale", "replicasets/status"], Read),
            Rule("discovery.k8s.io", ["endpointslices"], Read),
        ];
        JsonObject[] edit =
        [
            Rule("", ["pods/attach", "pods/exec", "pods/portforward", "secrets"], Read),
            Rule("", ["pods", "pods/attach", "pods/exec", "pods/portforward", "configmaps", "secrets", "serviceaccounts", "services"], Write),
            Rule("", ["pods/eviction", "serviceaccounts/token"], ["create"]), Rule("", ["serviceaccounts"], ["impersonate"]),
            Rule("", ["events"], ["create", "patch", "update"]),
            Rule("apps", ["deployments", "deployments/scale", "replicasets", "replicasets/scale"], Write),
            Rule("coordination.k8s.io", ["leases"], [.. Read, .. Write]),
        ];
        JsonObject[] admin =
        [
            Rule("rbac.authorization.k8s.io", ["roles", "rolebindings"], [.. Read, .. Write]),
            Rule("authorization.k8s.io", ["localsubjectaccessreviews"], ["create"]),
        ];
        Role("cluster-admin", [Rule("*", ["*"], ["*"]), new JsonObject { ["nonResourceURLs"] = new JsonArray("*"), ["verbs"] = new JsonArray("*") }]);
        Role("view", view);
        Role("edit", [.. view.Concat(edit).Select(r => r.Copy())]);
        Role("admin", [.. view.Concat(edit).Concat(admin).Select(r => r.Copy())]);
        Role("system:discovery", [Paths("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/")]);
        Role("system:public-info-viewer", [Paths("/healthz", "/livez", "/readyz", "/version", "/version/")]);
        Role("system:basic-user",
        [
            Rule("authorization.k8s.io", ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
            Rule("authentication.k8s.io", ["selfsubjectreviews"], ["create"]),
        ]);
        Bind("cluster-admin", "system:masters");
        Bind("system:discovery", "system:authenticated");
        Bind("system:basic-user", "system:authenticated");
        Bind("system:public-info-viewer", "system:authenticated", "system:unauthenticated");
    }

    private void Role(string name, IEnumerable<JsonObject> rules)
    {
        var item = Named(name);
        item.Meta()["labels"] = new JsonObject { ["kubernetes.io/bootstrapping"] = "rbac-defaults" };
        item["rules"] = Json.ArrayOf(rules);
        registry.Create(ResourceTypes.ClusterRoles, "", item, WriteContext.Internal);
    }

    private void Bind(string role, params string[] groups)
    {
        var item = Named(role);
        item.Meta()["labels"] = new JsonObject { ["kubernetes.io/bootstrapping"] = "rbac-defaults" };
        item["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = "ClusterRole", ["name"] = role };
        item["subjects"] = Json.ArrayOf(groups.Select(g => new JsonObject { ["kind"] = "Group", ["name"] = g }));
        registry.Create(ResourceTypes.ClusterRoleBindings, "", item, WriteContext.Internal);
    }

    private static JsonObject Port(string name, int port, string protocol, int target) => new()
    {
        ["name"] = name,
        ["port"] = port,
        ["protocol"] = protocol,
        ["targetPort"] = target,
    };

    private static JsonObject Named(string name) => new() { ["metadata"] = new JsonObject { ["name"] = name } };

    private static IPAddress First(IPNetwork network) => Admission.ServiceAddresses.Offset(network, 1);
}
