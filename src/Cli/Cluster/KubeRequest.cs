namespace Telepresence.Cli.Cluster;

/// <summary>One request to the API server: how it is sent, and how it is named to a person who lacks the right to send it.</summary>
/// <param name="Method">HTTP method.</param>
/// <param name="Verb">RBAC verb: <c>create</c>.</param>
/// <param name="Resource">RBAC resource, with its group: <c>deployments.apps</c>.</param>
/// <param name="Namespace">Namespace, or null for a resource of the whole cluster.</param>
/// <param name="Path">Path and query.</param>
internal sealed record KubeRequest(HttpMethod Method, string Verb, string Resource, string? Namespace, string Path)
{
    private const string Core = "/api/v1", Apps = "/apis/apps/v1", Networking = "/apis/networking.k8s.io/v1", Rbac = "/apis/rbac.authorization.k8s.io/v1";
    private const string MergePatch = "application/merge-patch+json", Writer = "fieldManager=telepresence";

    /// <summary>What the body is.</summary>
    internal string ContentType { get; init; } = "application/json";

    internal static KubeRequest CreateDeployment(string ns) =>
        new(HttpMethod.Post, "create", "deployments.apps", ns, $"{Apps}/namespaces/{Escape(ns)}/deployments?{Writer}");

    internal static KubeRequest GetDeployment(string ns, string name) =>
        new(HttpMethod.Get, "get", "deployments.apps", ns, $"{Apps}/namespaces/{Escape(ns)}/deployments/{Escape(name)}");

    internal static KubeRequest DeleteDeployment(string ns, string name) =>
        new(HttpMethod.Delete, "delete", "deployments.apps", ns, $"{Apps}/namespaces/{Escape(ns)}/deployments/{Escape(name)}?propagationPolicy=Background");

    internal static KubeRequest WatchDeployment(string ns, string name) =>
        new(HttpMethod.Get, "watch", "deployments.apps", ns, $"{Apps}/namespaces/{Escape(ns)}/deployments?watch=1&timeoutSeconds=300&fieldSelector={Escape("metadata.name=" + name)}");

    internal static KubeRequest ListDeployments(string ns, string? labels = null) =>
        new(HttpMethod.Get, "list", "deployments.apps", ns, $"{Apps}/namespaces/{Escape(ns)}/deployments{Selecting(labels)}");

    /// <summary>A merge patch (RFC 7386): what it names is set, null removes. With a <c>resourceVersion</c> in it, a 409 when somebody else was faster.</summary>
    internal static KubeRequest PatchDeployment(string ns, string name) =>
        new(HttpMethod.Patch, "patch", "deployments.apps", ns, $"{Apps}/namespaces/{Escape(ns)}/deployments/{Escape(name)}?{Writer}") { ContentType = MergePatch };

    internal static KubeRequest ListReplicaSets(string ns, string labels) =>
        new(HttpMethod.Get, "list", "replicasets.apps", ns, $"{Apps}/namespaces/{Escape(ns)}/replicasets{Selecting(labels)}");

    internal static KubeRequest PatchReplicaSet(string ns, string name) =>
        new(HttpMethod.Patch, "patch", "replicasets.apps", ns, $"{Apps}/namespaces/{Escape(ns)}/replicasets/{Escape(name)}?{Writer}") { ContentType = MergePatch };

    internal static KubeRequest GetService(string ns, string name) =>
        new(HttpMethod.Get, "get", "services", ns, $"{Core}/namespaces/{Escape(ns)}/services/{Escape(name)}");

    internal static KubeRequest CreateService(string ns) =>
        new(HttpMethod.Post, "create", "services", ns, $"{Core}/namespaces/{Escape(ns)}/services?{Writer}");

    internal static KubeRequest DeleteService(string ns, string name) =>
        new(HttpMethod.Delete, "delete", "services", ns, $"{Core}/namespaces/{Escape(ns)}/services/{Escape(name)}");

    internal static KubeRequest GetRole(string ns, string name) =>
        new(HttpMethod.Get, "get", "roles.rbac.authorization.k8s.io", ns, $"{Rbac}/namespaces/{Escape(ns)}/roles/{Escape(name)}");

    internal static KubeRequest CreateRole(string ns) =>
        new(HttpMethod.Post, "create", "roles.rbac.authorization.k8s.io", ns, $"{Rbac}/namespaces/{Escape(ns)}/roles?{Writer}");

    internal static KubeRequest DeleteRole(string ns, string name) =>
        new(HttpMethod.Delete, "delete", "roles.rbac.authorization.k8s.io", ns, $"{Rbac}/namespaces/{Escape(ns)}/roles/{Escape(name)}");

    internal static KubeRequest GetRoleBinding(string ns, string name) =>
        new(HttpMethod.Get, "get", "rolebindings.rbac.authorization.k8s.io", ns, $"{Rbac}/namespaces/{Escape(ns)}/rolebindings/{Escape(name)}");

    internal static KubeRequest CreateRoleBinding(string ns) =>
        new(HttpMethod.Post, "create", "rolebindings.rbac.authorization.k8s.io", ns, $"{Rbac}/namespaces/{Escape(ns)}/rolebindings?{Writer}");

    internal static KubeRequest DeleteRoleBinding(string ns, string name) =>
        new(HttpMethod.Delete, "delete", "rolebindings.rbac.authorization.k8s.io", ns, $"{Rbac}/namespaces/{Escape(ns)}/rolebindings/{Escape(name)}");

    internal static KubeRequest GetPod(string ns, string name) =>
        new(HttpMethod.Get, "get", "pods", ns, $"{Core}/namespaces/{Escape(ns)}/pods/{Escape(name)}");

    internal static KubeRequest ListEventsOf(string ns, string uid) =>
        new(HttpMethod.Get, "list", "events", ns, $"{Core}/namespaces/{Escape(ns)}/events?fieldSelector={Escape("involvedObject.uid=" + uid)}");

    internal static KubeRequest ListPods(string ns, string? labels = null) =>
        new(HttpMethod.Get, "list", "pods", ns, $"{Core}/namespaces/{Escape(ns)}/pods{Selecting(labels)}");

    internal static KubeRequest WatchPods(string ns, string labels) =>
        new(HttpMethod.Get, "watch", "pods", ns, $"{Core}/namespaces/{Escape(ns)}/pods?watch=1&timeoutSeconds=300&labelSelector={Escape(labels)}");

    internal static KubeRequest PodLog(string ns, string pod, string container, bool previous) =>
        new(HttpMethod.Get, "get", "pods/log", ns, $"{Core}/namespaces/{Escape(ns)}/pods/{Escape(pod)}/log?container={Escape(container)}&tailLines=3{(previous ? "&previous=true" : "")}");

    internal static KubeRequest PortForward(string ns, string pod, int port) =>
        new(HttpMethod.Get, "create", "pods/portforward", ns, $"{Core}/namespaces/{Escape(ns)}/pods/{Escape(pod)}/portforward?ports={port}");

    internal static KubeRequest ListServices(string ns) =>
        new(HttpMethod.Get, "list", "services", ns, $"{Core}/namespaces/{Escape(ns)}/services");

    internal static KubeRequest TryCreateService(string ns) =>
        new(HttpMethod.Post, "create", "services", ns, $"{Core}/namespaces/{Escape(ns)}/services?dryRun=All");

    internal static KubeRequest ListNodes() =>
        new(HttpMethod.Get, "list", "nodes", null, $"{Core}/nodes");

    internal static KubeRequest ListServiceCidrs() =>
        new(HttpMethod.Get, "list", "servicecidrs.networking.k8s.io", null, $"{Networking}/servicecidrs");

    private static string Selecting(string? labels) => labels is null ? "" : "?labelSelector=" + Escape(labels);

    private static string Escape(string text) => Uri.EscapeDataString(text);
}
