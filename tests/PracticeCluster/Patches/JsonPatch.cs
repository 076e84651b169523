using System.Globalization;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Patches;

/// <summary>JSON Patch, RFC 6902, with JSON Pointer paths, RFC 6901.</summary>
internal static class JsonPatch
{
    /// <exception cref="ApiException">422 when an operation cannot be applied, 400 when the patch is not one.</exception>
    public static JsonNode? Apply(JsonNode? document, JsonArray patch)
    {
        var result = document?.DeepClone();
        foreach (var step in patch)
        {
            if (step is not JsonObject operation) throw ApiException.BadRequest("json patch: each operation is an object");
            result = ApplyOne(result, operation);
        }
        return result;
    }

    private static JsonNode? ApplyOne(JsonNode? document, JsonObject operation)
    {
        var path = Pointer(operation.Str("path"));
        switch (operation.Str("op"))
        {
            case "add":
                return Put(document, path, operation["value"]?.DeepClone(), insert: true);
            case "replace":
                _ = Find(document, path, operation);
                return Put(document, path, operation["value"]?.DeepClone(), insert: false);
            case "remove":
                _ = Find(document, path, operation);
                return Remove(document, path);
            case "copy":
                return Put(document, path, Find(document, Pointer(operation.Str("from")), operation)?.DeepClone(), insert: true);
            case "move":
                var from = Pointer(operation.Str("from"));
                var moved = Find(document, from, operation)?.DeepClone();
                return Put(Remove(document, from), path, moved, insert: true);
            case "test":
                if (Json.Same(Find(document, path, operation), operation["value"])) return document;
                throw Failed($"testing value {operation.Str("path")} failed: test failed");
            default:
                throw Failed($"Unexpected kind: {operation.Str("op")}");
        }
    }

    private static string[] Pointer(string? text)
    {
        if (string.IsNullOrEmpty(text)) return [];
        if (text[0] != '/') throw Failed($"path {text} does not begin with '/'");
        return [.. text[1..].Split('/').Select(s => s.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];
    }

    private static JsonNode? Find(JsonNode? node, ReadOnlySpan<string> path, JsonObject operation)
    {
        foreach (var step in path)
        {
            node = node switch
            {
                JsonObject o when o.TryGetPropertyValue(step, out var value) => value,
                JsonArray a when Index(step, a.Count) is var i && i < a.Count => a[i],
                _ => throw Failed($"{operation.Str("op")} operation does not apply: doc is missing path: {operation.Str("path")}: missing value"),
            };
        }
        return node;
    }

    private static JsonNode? Put(JsonNode? document, string[] path, JsonNode? value, bool insert)
    {
        if (path.Length == 0) return value;
        var parent = Parent(document, path);
        if (parent is JsonObject o) o[path[^1]] = value;
        else if (parent is JsonArray a)
        {
            var i = path[^1] == "-" ? a.Count : Index(path[^1], a.Count + 1);
            if (i > a.Count || (!insert && i == a.Count)) throw Failed($"index {path[^1]} is out of range");
            if (insert) a.Insert(i, value);
            else a[i] = value;
        }
        else throw Failed($"doc is missing path: /{string.Join('/', path)}: missing value");
        return document;
    }

    private static JsonNode? Remove(JsonNode? document, string[] path)
    {
        if (path.Length == 0) return null;
        var parent = Parent(document, path);
        if (parent is JsonObject o) o.Remove(path[^1]);
        else if (parent is JsonArray a) a.RemoveAt(Index(path[^1], a.Count));
        return document;
    }

    private static JsonNode? Parent(JsonNode? node, string[] path)
    {
        foreach (var step in path[..^1])
        {
            node = node switch
            {
                JsonObject o => o[step],
                JsonArray a when Index(step, a.Count) is var i && i < a.Count => a[i],
                _ => null,
            };
        }
        return node;
    }

    private static int Index(string step, int count) =>
        int.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var i) && i <= count
            ? i
            : throw Failed($"index {step} is out of range");

    private static ApiException Failed(string message) => new(422, "Invalid", $"the server rejected our request due to an error in our request: {message}");
}
