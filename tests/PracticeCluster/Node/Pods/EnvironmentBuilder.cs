using System.Text;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>A container's declared environment: Service variables, then envFrom, then env, later ones winning.</summary>
internal sealed class EnvironmentBuilder(IClusterLookup lookup, JsonNode pod, PodFields fields)
{
    private readonly string _namespace = pod.Text("metadata", "namespace") ?? "default";

    /// <exception cref="NodeException">A source that is not optional is missing (CreateContainerConfigError).</exception>
    internal Dictionary<string, string> Build(JsonNode container)
    {
        Dictionary<string, string> services = Services();
        var result = new Dictionary<string, string>();
        foreach (JsonNode source in container.Items("envFrom"))
            AddAll(source, result);
        foreach (JsonNode variable in container.Items("env"))
        {
            string declared = variable.Text("name")!;
            string? value = variable.At("valueFrom") is JsonNode from
                ? ValueFrom(from, container)
                : VariableExpansion.Expand(variable.Text("value") ?? "", name => result.GetValueOrDefault(name) ?? services.GetValueOrDefault(name));
            if (value is not null)
                result[declared] = value;
        }

        foreach ((string name, string value) in services)
            result.TryAdd(name, value);
        return result;
    }

    private Dictionary<string, string> Services()
    {
        var result = new Dictionary<string, string>();
        JsonObject? master = lookup.Get("services", "default", "kubernetes");
        IEnumerable<JsonNode> services = master is null ? [] : [master];
        if (pod.Flag("spec", "enableServiceLinks") ?? true)
            services = services.Concat(lookup.List("services", _namespace));
        foreach ((string name, string value) in services.SelectMany(ServiceVariables.Of))
            result[name] = value;
        return result;
    }

    private void AddAll(JsonNode source, Dictionary<string, string> result)
    {
        string prefix = source.Text("prefix") ?? "";
        bool isSecret = source.At("secretRef") is not null;
        JsonNode? reference = source.At("secretRef") ?? source.At("configMapRef");
        foreach ((string key, byte[] value) in Sources.Read(lookup, isSecret, _namespace, reference) ?? [])
            result[prefix + key] = Encoding.UTF8.GetString(value);
    }

    private string? ValueFrom(JsonNode from, JsonNode container)
    {
        if (from.Text("fieldRef", "fieldPath") is string path)
            return fields.Field(path);
        if (from.At("resourceFieldRef") is JsonNode resource)
            return fields.Resource(resource, container);
        bool isSecret = from.At("secretKeyRef") is not null;
        JsonNode? reference = from.At("secretKeyRef") ?? from.At("configMapKeyRef");
        Dictionary<string, byte[]>? data = Sources.Read(lookup, isSecret, _namespace, reference);
        if (data is null)
            return null;
        string key = reference.Text("key") ?? "";
        if (data.TryGetValue(key, out byte[]? value))
            return Encoding.UTF8.GetString(value);
        return reference.Flag("optional") == true
            ? null
            : throw new NodeException($"couldn't find key {key} in {(isSecret ? "Secret" : "ConfigMap")} {_namespace}/{reference.Text("name")}");
    }
}
