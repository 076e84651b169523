using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Telepresence.PracticeCluster.Objects;

/// <summary>Refuses what the real server refuses, in its words, as far as it matters to those who practise here.</summary>
internal static partial class Validation
{
    private const string SubdomainHelp = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        + "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        + "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

    private const string LabelHelp = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
        + "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

    private const string Dns1035Help = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        + "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

    public static void Check(ResourceType type, JsonObject item, JsonObject? old)
    {
        if (old is null) Name(type, item.Name());
        Labels(type, item);
        if (type == ResourceTypes.Pods)
        {
            PodSpec(type, item.Name(), item.Obj("spec"), "spec");
            if (old is not null) PodUpdate(item, old);
        }
        else if (type == ResourceTypes.Deployments || type == ResourceTypes.ReplicaSets) Workload(type, item, old);
        else if (type == ResourceTypes.Services) Service(type, item, old);
        else if (type == ResourceTypes.ConfigMaps || type == ResourceTypes.Secrets) Immutable(type, item, old);
        else if (type == ResourceTypes.RoleBindings || type == ResourceTypes.ClusterRoleBindings) Binding(type, item, old);
        else if (type == ResourceTypes.Endpoints) EndpointAddresses(type, item);
    }

    public static bool IsLabel(string name) => name.Length is > 0 and <= 63 && LabelPattern().IsMatch(name);

    private static void Name(ResourceType type, string name)
    {
        if (name.Length == 0)
            throw ApiException.Invalid(type, "", "metadata.name", "Required value: name or generateName is required", "FieldValueRequired");
        if (type.Group == "rbac.authorization.k8s.io") return;
        var (good, help) = type == ResourceTypes.Namespaces ? (IsLabel(name), LabelHelp)
            : type == ResourceTypes.Services ? (name.Length <= 63 && Dns1035Pattern().IsMatch(name), Dns1035Help)
            : (name.Length <= 253 && SubdomainPattern().IsMatch(name), SubdomainHelp);
        if (!good) throw ApiException.Invalid(type, name, "metadata.name", $"Invalid value: \"{name}\": {help}");
    }

    private static void Labels(ResourceType type, JsonObject item)
    {
        foreach (var (key, value) in item.Map("metadata", "labels"))
        {
            if (value.Length > 63 || !LabelValuePattern().IsMatch(value))
                throw ApiException.Invalid(type, item.Name(), "metadata.labels", $"Invalid value: \"{value}\": a valid label must be an empty "
                    + "string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
                    + "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
            if (key.Length == 0)
                throw ApiException.Invalid(type, item.Name(), "metadata.labels", "Invalid value: \"\": name part must be non-empty");
        }
    }

    private static void PodSpec(ResourceType type, string name, JsonObject? spec, string path)
    {
        var containers = spec.Each("containers").ToList();
        if (containers.Count == 0) throw ApiException.Invalid(type, name, $"{path}.containers", "Required value", "FieldValueRequired");
        var volumes = spec.Each("volumes").Select(v => v.Str("name")).ToHashSet(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (list, field) in new[] { (spec.Each("initContainers").ToList(), "initContainers"), (containers, "containers") })
        {
            for (var i = 0; i < list.Count; i++)
            {
                var at = $"{path}.{field}[{i}]";
                var container = list[i];
                if (container.Str("name") is not { Length: > 0 } id)
                    throw ApiException.Invalid(type, name, $"{at}.name", "Required value", "FieldValueRequired");
                if (!IsLabel(id)) throw ApiException.Invalid(type, name, $"{at}.name", $"Invalid value: \"{id}\": {LabelHelp}");
                if (!seen.Add(id)) throw ApiException.Invalid(type, name, $"{at}.name", $"Duplicate value: \"{id}\"", "FieldValueDuplicate");
                if (container.Str("image") is not { Length: > 0 })
                    throw ApiException.Invalid(type, name, $"{at}.image", "Required value", "FieldValueRequired");
                Mounts(type, name, container, at, volumes);
                Resources(type, name, container, at);
                foreach (var port in container.Each("ports").Select((p, n) => (p, n)))
                {
                    if (port.p.Num("containerPort") is not (> 0 and < 65536))
                        throw ApiException.Invalid(type, name, $"{at}.ports[{port.n}].containerPort",
                            port.p["containerPort"] is null ? "Required value" : $"Invalid value: {port.p["containerPort"]?.ToJsonString()}: must be between 1 and 65535, inclusive");
                }
            }
        }
        if (spec.Str("restartPolicy") is not ("Always" or "OnFailure" or "Never"))
            throw ApiException.Invalid(type, name, $"{path}.restartPolicy", $"Unsupported value: \"{spec.Str("restartPolicy")}\": supported values: \"Always\", \"Never\", \"OnFailure\"", "FieldValueNotSupported");
    }

    private static void Mounts(ResourceType type, string name, JsonObject container, string at, HashSet<string?> volumes)
    {
        var n = 0;
        foreach (var mount in container.Each("volumeMounts"))
        {
            if (!volumes.Contains(mount.Str("name")))
                throw ApiException.Invalid(type, name, $"{at}.volumeMounts[{n}].name", $"Not found: \"{mount.Str("name")}\"", "FieldValueNotFound");
            if (mount.Str("mountPath") is not { Length: > 0 })
                throw ApiException.Invalid(type, name, $"{at}.volumeMounts[{n}].mountPath", "Required value", "FieldValueRequired");
            n++;
        }
    }

    private static void Resources(ResourceType type, string name, JsonObject container, string at)
    {
        var limits = container.Map("resources", "limits");
        foreach (var (resource, text) in limits.Select(p => (p.Key, p.Value)).Concat(container.Map("resources", "requests").Select(p => (p.Key, p.Value))))
        {
            if (!Quantity.TryParse(text, out _))
                throw ApiException.BadRequest($"{type.Kind} in version \"{type.Version}\" cannot be handled as a {type.Kind}: quantities must match the "
                    + "regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
        }
        foreach (var (resource, text) in container.Map("resources", "requests"))
        {
            if (limits.TryGetValue(resource, out var limit) && Quantity.TryParse(text, out var asked) && Quantity.TryParse(limit, out var most) && asked > most)
                throw ApiException.Invalid(type, name, $"{at}.resources.requests", $"Invalid value: \"{text}\": must be less than or equal to {resource} limit of {limit}");
        }
    }

    private static void PodUpdate(JsonObject item, JsonObject old)
    {
        var (now, before) = (Fixed(item), Fixed(old));
        if (!Json.Same(now, before))
            throw ApiException.Invalid(ResourceTypes.Pods, item.Name(), "spec", "Forbidden: pod updates may not change fields other than "
                + "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
                + "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)", "FieldValueForbidden");
    }

    private static JsonObject Fixed(JsonObject pod)
    {
        var spec = pod.Obj("spec")?.Copy() ?? [];
        spec.Remove("activeDeadlineSeconds");
        spec.Remove("tolerations");
        spec.Remove("nodeName");
        foreach (var container in spec.Each("containers").Concat(spec.Each("initContainers"))) container.Remove("image");
        return spec;
    }

    private static void Workload(ResourceType type, JsonObject item, JsonObject? old)
    {
        var selector = LabelSelector.FromSpec(item.Obj("spec", "selector"));
        if (selector is null || selector.IsEmpty) throw ApiException.Invalid(type, item.Name(), "spec.selector", "Required value", "FieldValueRequired");
        if (old is not null && !Json.Same(item.At("spec", "selector"), old.At("spec", "selector")))
            throw ApiException.Invalid(type, item.Name(), "spec.selector", $"Invalid value: {item.At("spec", "selector")?.ToJsonString()}: field is immutable");
        if (!selector.Matches(item.Map("spec", "template", "metadata", "labels")))
            throw ApiException.Invalid(type, item.Name(), "spec.template.metadata.labels",
                $"Invalid value: {item.At("spec", "template", "metadata", "labels")?.ToJsonString() ?? "null"}: `selector` does not match template `labels`");
        if (item.Num("spec", "replicas") is < 0)
            throw ApiException.Invalid(type, item.Name(), "spec.replicas", $"Invalid value: {item.Num("spec", "replicas")}: must be greater than or equal to 0");
        PodSpec(type, item.Name(), item.Obj("spec", "template", "spec"), "spec.template.spec");
    }

    private static void Service(ResourceType type, JsonObject item, JsonObject? old)
    {
        var spec = item.Obj("spec");
        var kind = spec.Str("type");
        if (kind is not ("ClusterIP" or "ExternalName" or "NodePort" or "LoadBalancer"))
            throw ApiException.Invalid(type, item.Name(), "spec.type", $"Unsupported value: \"{kind}\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"", "FieldValueNotSupported");
        if (kind == "ExternalName" && spec.Str("externalName") is not { Length: > 0 })
            throw ApiException.Invalid(type, item.Name(), "spec.externalName", "Required value", "FieldValueRequired");
        var ports = spec.Each("ports").ToList();
        if (ports.Count == 0 && kind != "ExternalName" && spec.Str("clusterIP") != "None")
            throw ApiException.Invalid(type, item.Name(), "spec.ports", "Required value", "FieldValueRequired");
        for (var i = 0; i < ports.Count; i++)
        {
            if (ports[i].Num("port") is not (> 0 and < 65536))
                throw ApiException.Invalid(type, item.Name(), $"spec.ports[{i}].port", $"Invalid value: {ports[i]["port"]?.ToJsonString() ?? "0"}: must be between 1 and 65535, inclusive");
            if (ports.Count > 1 && ports[i].Str("name") is not { Length: > 0 })
                throw ApiException.Invalid(type, item.Name(), $"spec.ports[{i}].name", "Required value", "FieldValueRequired");
        }
        if (old.Str("spec", "clusterIP") is { Length: > 0 } was && kind != "ExternalName" && old.Str("spec", "type") != "ExternalName" && spec.Str("clusterIP") != was)
            throw ApiException.Invalid(type, item.Name(), "spec.clusterIPs[0]", $"Invalid value: [\"{spec.Str("clusterIP")}\"]: may not change once set");
    }

    private static void Immutable(ResourceType type, JsonObject item, JsonObject? old)
    {
        if (old.Flag("immutable") == true && !Json.Same(item["data"], old?["data"]))
            throw ApiException.Invalid(type, item.Name(), "data", "Forbidden: field is immutable when `immutable` is set", "FieldValueForbidden");
        foreach (var (key, value) in item.Obj("data") ?? [])
        {
            if (type == ResourceTypes.Secrets && !Convert.TryFromBase64String(Json.Scalar(value) ?? "", new byte[(Json.Scalar(value) ?? "").Length], out _))
                throw ApiException.BadRequest($"Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data in data.{key}");
            if (type == ResourceTypes.ConfigMaps && value is not null && value.GetValueKind() != System.Text.Json.JsonValueKind.String)
                throw ApiException.BadRequest($"ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal {value.GetValueKind().ToString().ToLowerInvariant()} into Go struct field ConfigMap.data of type string");
        }
    }

    private static void Binding(ResourceType type, JsonObject item, JsonObject? old)
    {
        if (item.Str("roleRef", "name") is not { Length: > 0 })
            throw ApiException.Invalid(type, item.Name(), "roleRef.name", "Required value", "FieldValueRequired");
        if (old is not null && !Json.Same(item["roleRef"], old["roleRef"]))
            throw ApiException.Invalid(type, item.Name(), "roleRef", $"Invalid value: {item["roleRef"]?.ToJsonString()}: cannot change roleRef");
    }

    private static void EndpointAddresses(ResourceType type, JsonObject item)
    {
        foreach (var address in item.Each("subsets").SelectMany(s => s.Each("addresses")))
        {
            if (!IPAddress.TryParse(address.Str("ip"), out var ip))
                throw ApiException.Invalid(type, item.Name(), "subsets[0].addresses[0].ip", $"Invalid value: \"{address.Str("ip")}\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
            if (IPAddress.IsLoopback(ip))
                throw ApiException.Invalid(type, item.Name(), "subsets[0].addresses[0].ip", $"Invalid value: \"{ip}\": may not be in the loopback range (127.0.0.0/8, ::1/128)");
        }
    }

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    private static partial Regex LabelPattern();

    [GeneratedRegex("^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    private static partial Regex Dns1035Pattern();

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")]
    private static partial Regex SubdomainPattern();

    [GeneratedRegex("^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
    private static partial Regex LabelValuePattern();
}
