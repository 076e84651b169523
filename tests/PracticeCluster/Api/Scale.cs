using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api;

/// <summary>The scale subresource: a workload seen as its replica count.</summary>
internal static class Scale
{
    public static JsonObject Of(JsonObject item)
    {
        var meta = new JsonObject();
        foreach (var field in (ReadOnlySpan<string>)["name", "namespace", "uid", "resourceVersion", "creationTimestamp"])
            if (item.At("metadata", field) is { } value) meta[field] = value.DeepClone();
        var labels = item.Map("spec", "selector", "matchLabels");
        return new JsonObject
        {
            ["kind"] = "Scale",
            ["apiVersion"] = "autoscaling/v1",
            ["metadata"] = meta,
            ["spec"] = new JsonObject { ["replicas"] = item.Num("spec", "replicas") ?? 0 },
            ["status"] = new JsonObject
            {
                ["replicas"] = item.Num("status", "replicas") ?? 0,
                ["selector"] = string.Join(',', labels.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}")),
            },
        };
    }

    public static JsonObject Apply(ResourceType type, JsonObject item, JsonObject scale)
    {
        var replicas = scale.Num("spec", "replicas") ?? 0;
        if (replicas < 0) throw ApiException.Invalid(type, item.Name(), "spec.replicas", $"Invalid value: {replicas}: must be greater than or equal to 0");
        if (scale.Str("metadata", "resourceVersion") is { Length: > 0 } asked && asked != item.Str("metadata", "resourceVersion"))
            throw ApiException.Conflict(type, item.Name());
        item.Make("spec")["replicas"] = replicas;
        item.Meta().Remove("resourceVersion");
        return item;
    }
}
