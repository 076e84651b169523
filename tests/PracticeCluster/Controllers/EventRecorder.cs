using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Writes Events; the same one again counts up instead of a new object.</summary>
internal sealed class EventRecorder(Registry registry)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _known = new(StringComparer.Ordinal);

    public void Record(JsonObject about, string component, string type, string reason, string message, string? fieldPath = null, string? host = null)
    {
        var namespaceName = about.Namespace() is { Length: > 0 } n ? n : "default";
        var key = string.Join('\n', about.Uid(), component, type, reason, message, fieldPath);
        lock (_gate)
        {
            if (_known.TryGetValue(key, out var name) && registry.Store.Get(ResourceTypes.Events, namespaceName, name) is not null)
            {
                registry.Store.Replace(ResourceTypes.Events, namespaceName, name, e =>
                {
                    e["count"] = (e.Num("count") ?? 1) + 1;
                    e["lastTimestamp"] = Json.Now();
                    return e;
                });
                return;
            }
            var home = registry.Store.Get(ResourceTypes.Namespaces, "", namespaceName);
            if (home is null) return;
            var created = registry.Create(ResourceTypes.Events, namespaceName, Make(about, namespaceName, component, type, reason, message, fieldPath, host), WriteContext.Internal);
            _known[key] = created.Name();
        }
    }

    private static JsonObject Make(JsonObject about, string namespaceName, string component, string type, string reason, string message, string? fieldPath, string? host)
    {
        var reference = new JsonObject
        {
            ["kind"] = about.Str("kind"),
            ["namespace"] = about.Str("metadata", "namespace"),
            ["name"] = about.Name(),
            ["uid"] = about.Uid(),
            ["apiVersion"] = about.Str("apiVersion"),
            ["resourceVersion"] = about.Str("metadata", "resourceVersion"),
        };
        if (fieldPath is not null) reference["fieldPath"] = fieldPath;
        var source = new JsonObject { ["component"] = component };
        if (host is not null) source["host"] = host;
        return new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = $"{about.Name()}.{DateTime.UtcNow.Ticks:x16}{RandomName.Suffix(3)}", ["namespace"] = namespaceName },
            ["involvedObject"] = reference,
            ["reason"] = reason,
            ["message"] = message,
            ["source"] = source,
            ["firstTimestamp"] = Json.Now(),
            ["lastTimestamp"] = Json.Now(),
            ["count"] = 1,
            ["type"] = type,
            ["eventTime"] = null,
            ["reportingComponent"] = component,
            ["reportingInstance"] = host ?? "",
        };
    }
}
