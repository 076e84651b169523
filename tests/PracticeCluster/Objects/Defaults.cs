using System.Text;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Objects;

/// <summary>What the API server fills in where a manifest is silent.</summary>
internal static class Defaults
{
    public static void Apply(ResourceType type, JsonObject item)
    {
        if (type == ResourceTypes.Pods) PodSpec(item.Make("spec"));
        else if (type == ResourceTypes.Deployments) Deployment(item.Make("spec"));
        else if (type == ResourceTypes.ReplicaSets) Workload(item.Make("spec"));
        else if (type == ResourceTypes.Services) Service(item.Make("spec"));
        else if (type == ResourceTypes.Secrets) Secret(item);
        else if (type == ResourceTypes.Namespaces) Namespace(item);
        else if (type == ResourceTypes.Endpoints) EndpointPorts(item);
        else if (type == ResourceTypes.RoleBindings || type == ResourceTypes.ClusterRoleBindings) Binding(item);
        else if (type == ResourceTypes.Events) Event(item);
    }

    private static void Deployment(JsonObject spec)
    {
        Workload(spec);
        spec.Default("revisionHistoryLimit", 10).Default("progressDeadlineSeconds", 600);
        var strategy = spec.Make("strategy").Default("type", "RollingUpdate");
        if (strategy.Str("type") == "RollingUpdate")
            strategy.Make("rollingUpdate").Default("maxUnavailable", "25%").Default("maxSurge", "25%");
    }

    private static void Workload(JsonObject spec)
    {
        spec.Default("replicas", 1);
        var template = spec.Make("template");
        template.Make("metadata").Default("creationTimestamp", null);
        PodSpec(template.Make("spec"));
    }

    private static void PodSpec(JsonObject spec)
    {
        spec.Default("restartPolicy", "Always").Default("dnsPolicy", "ClusterFirst").Default("schedulerName", "default-scheduler");
        spec.Default("terminationGracePeriodSeconds", 30).Make("securityContext");
        if (spec["serviceAccountName"] is null && spec["serviceAccount"] is { } old) spec["serviceAccountName"] = old.DeepClone();
        if (spec["serviceAccountName"] is { } account) spec["serviceAccount"] = account.DeepClone();
        foreach (var container in spec.Each("containers").Concat(spec.Each("initContainers"))) Container(container);
        foreach (var volume in spec.Each("volumes")) Volume(volume);
    }

    private static void Container(JsonObject container)
    {
        var image = container.Str("image") ?? "";
        var tag = image.LastIndexOf(':') is var colon && colon > image.LastIndexOf('/') ? image[(colon + 1)..] : "latest";
        container.Default("imagePullPolicy", tag == "latest" && !image.Contains('@') ? "Always" : "IfNotPresent");
        container.Default("terminationMessagePath", "/dev/termination-log").Default("terminationMessagePolicy", "File");
        var resources = container.Make("resources");
        foreach (var (name, limit) in resources.Obj("limits") ?? []) resources.Make("requests").Default(name, limit?.DeepClone());
        foreach (var port in container.Each("ports")) port.Default("protocol", "TCP");
        foreach (var env in container.Each("env"))
            if (env.Obj("valueFrom", "fieldRef") is { } field) field.Default("apiVersion", "v1");
        foreach (var name in (ReadOnlySpan<string>)["livenessProbe", "readinessProbe", "startupProbe"])
        {
            if (container.Obj(name) is not { } probe) continue;
            probe.Default("timeoutSeconds", 1).Default("periodSeconds", 10).Default("successThreshold", 1).Default("failureThreshold", 3);
            if (probe.Obj("httpGet") is { } get) get.Default("path", "/").Default("scheme", "HTTP");
        }
    }

    private static void Volume(JsonObject volume)
    {
        if (volume.Count == 1) volume["emptyDir"] = new JsonObject();
        foreach (var name in (ReadOnlySpan<string>)["secret", "configMap", "downwardAPI", "projected"])
            if (volume.Obj(name) is { } source) source.Default("defaultMode", 0x1A4);
        foreach (var source in volume.Each("projected", "sources"))
        {
            if (source.Obj("serviceAccountToken") is { } token) token.Default("expirationSeconds", 3600);
            foreach (var file in source.Each("downwardAPI", "items"))
                if (file.Obj("fieldRef") is { } field) field.Default("apiVersion", "v1");
        }
        foreach (var file in volume.Each("downwardAPI", "items"))
            if (file.Obj("fieldRef") is { } field) field.Default("apiVersion", "v1");
    }

    private static void Service(JsonObject spec)
    {
        spec.Default("type", "ClusterIP").Default("sessionAffinity", "None");
        if (spec.Str("sessionAffinity") == "ClientIP")
            spec.Make("sessionAffinityConfig").Make("clientIP").Default("timeoutSeconds", 10800);
        if (spec.Str("type") != "ExternalName") spec.Default("internalTrafficPolicy", "Cluster");
        foreach (var port in spec.Each("ports"))
            port.Default("protocol", "TCP").Default("targetPort", port["port"]?.DeepClone());
    }

    private static void Secret(JsonObject item)
    {
        item.Default("type", "Opaque");
        foreach (var (name, text) in item.Map("stringData"))
            item.Make("data")[name] = Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
        item.Remove("stringData");
    }

    private static void Namespace(JsonObject item)
    {
        item.Meta().Make("labels")["kubernetes.io/metadata.name"] = item.Name();
        item.Make("spec").Default("finalizers", new JsonArray("kubernetes"));
        item.Make("status").Default("phase", "Active");
    }

    private static void EndpointPorts(JsonObject item)
    {
        foreach (var subset in item.Each("subsets"))
            foreach (var port in subset.Each("ports")) port.Default("protocol", "TCP");
    }

    private static void Binding(JsonObject item)
    {
        if (item.Obj("roleRef") is { } reference) reference.Default("apiGroup", "rbac.authorization.k8s.io");
        foreach (var subject in item.Each("subjects"))
        {
            if (subject.Str("kind") is "User" or "Group") subject.Default("apiGroup", "rbac.authorization.k8s.io");
        }
    }

    private static void Event(JsonObject item) => item.Default("type", "Normal").Default("count", 1);
}
