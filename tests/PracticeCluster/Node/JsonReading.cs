using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Reads Kubernetes objects without ceremony: a missing path is null, empty or the default.</summary>
internal static class JsonReading
{
    internal static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (string name in path)
        {
            if (node is not JsonObject value || !value.TryGetPropertyValue(name, out node))
                return null;
        }

        return node;
    }

    internal static string? Text(this JsonNode? node, params ReadOnlySpan<string> path) => node.At(path) switch
    {
        null => null,
        JsonValue value when value.GetValueKind() == JsonValueKind.String => value.GetValue<string>(),
        JsonNode other => other.ToJsonString(),
    };

    internal static long? Number(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.Text(path) is string text && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            ? value
            : null;

    internal static bool? Flag(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.Text(path) is string text && bool.TryParse(text, out bool value) ? value : null;

    internal static IEnumerable<JsonNode> Items(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonArray array ? array.OfType<JsonNode>() : [];

    internal static IEnumerable<string> Texts(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.Items(path).Select(item => item.Text()!);

    internal static IEnumerable<KeyValuePair<string, string>> Pairs(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonObject value
            ? value.Select(pair => KeyValuePair.Create(pair.Key, pair.Value.Text() ?? ""))
            : [];
}
