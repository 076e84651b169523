using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster;

/// <summary>Short ways to read and write Kubernetes objects that are kept as JSON.</summary>
internal static class Json
{
    public static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var step in path)
        {
            if (node is not JsonObject o || !o.TryGetPropertyValue(step, out node)) return null;
        }
        return node;
    }

    public static JsonObject? Obj(this JsonNode? node, params ReadOnlySpan<string> path) => node.At(path) as JsonObject;

    public static JsonArray? Arr(this JsonNode? node, params ReadOnlySpan<string> path) => node.At(path) as JsonArray;

    /// <summary>The objects of an array; nothing when it is missing.</summary>
    public static IEnumerable<JsonObject> Each(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.Arr(path)?.OfType<JsonObject>() ?? [];

    /// <summary>The strings of an array; nothing when it is missing.</summary>
    public static IReadOnlyList<string> Strings(this JsonNode? node, params ReadOnlySpan<string> path) =>
        [.. node.Arr(path)?.Select(Scalar).OfType<string>() ?? []];

    public static string? Str(this JsonNode? node, params ReadOnlySpan<string> path) => Scalar(node.At(path));

    public static long? Num(this JsonNode? node, params ReadOnlySpan<string> path) => node.At(path) is JsonValue v
        ? v.TryGetValue(out long l) ? l
            : v.TryGetValue(out int i) ? i
            : v.TryGetValue(out double d) ? (long)d
            : null
        : null;

    public static bool? Flag(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonValue v && v.TryGetValue(out bool b) ? b : null;

    public static DateTime? Time(this JsonNode? node, params ReadOnlySpan<string> path) =>
        DateTime.TryParse(node.Str(path), CultureInfo.InvariantCulture,
            DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out var t) ? t : null;

    /// <summary>A string, number or boolean as text; null for anything else.</summary>
    public static string? Scalar(JsonNode? node) => node is not JsonValue v ? null
        : v.TryGetValue(out string? s) ? s
        : v.ToJsonString(Plain);

    /// <summary>The object at <paramref name="name"/>, made when it is not there.</summary>
    public static JsonObject Make(this JsonObject o, string name)
    {
        if (o[name] is JsonObject there) return there;
        var made = new JsonObject();
        o[name] = made;
        return made;
    }

    public static JsonObject Default(this JsonObject o, string name, JsonNode? value)
    {
        if (o[name] is null) o[name] = value;
        return o;
    }

    public static JsonObject Copy(this JsonObject o) => (JsonObject)o.DeepClone();

    public static JsonArray ArrayOf(IEnumerable<string> values) => new([.. values.Select(v => (JsonNode?)v)]);

    public static JsonArray ArrayOf(IEnumerable<JsonObject> values) => new([.. values]);

    public static Dictionary<string, string> Map(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in node.Obj(path) ?? []) map[key] = Scalar(value) ?? "";
        return map;
    }

    public static bool Same(JsonNode? a, JsonNode? b) => JsonNode.DeepEquals(a, b);

    public static string Name(this JsonObject o) => o.Str("metadata", "name") ?? "";

    public static string Namespace(this JsonObject o) => o.Str("metadata", "namespace") ?? "";

    public static string Uid(this JsonObject o) => o.Str("metadata", "uid") ?? "";

    public static bool IsDeleting(this JsonObject o) => o.At("metadata", "deletionTimestamp") is not null;

    public static JsonObject Meta(this JsonObject o) => o.Make("metadata");

    public static string Stamp(DateTime t) => t.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    public static string Now() => Stamp(DateTime.UtcNow);

    public static byte[] Bytes(JsonNode node) => JsonSerializer.SerializeToUtf8Bytes(node, Plain);
}
