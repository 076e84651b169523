using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Patches;

/// <summary>
/// Kubernetes' strategic merge patch: a merge patch in which known lists merge by key. Directives: <c>$patch: replace |
/// delete | merge</c> in objects and list elements, <c>$setElementOrder/field</c>, <c>$deleteFromPrimitiveList/field</c>,
/// <c>$retainKeys</c>.
/// </summary>
internal sealed class StrategicMergePatch(string kind)
{
    private const string Order = "$setElementOrder/";
    private const string DeletePrimitive = "$deleteFromPrimitiveList/";

    public JsonObject Apply(JsonObject target, JsonObject patch) => Merge(target, patch, "");

    private JsonObject Merge(JsonObject? target, JsonObject patch, string at)
    {
        if (patch.Str("$patch") == "replace") return Without(patch, "$patch");
        if (patch.Str("$patch") == "delete") return [];
        var result = target is null ? [] : target.Copy();
        if (patch.Arr("$retainKeys") is { } retain)
        {
            var keep = retain.Select(Json.Scalar).ToHashSet(StringComparer.Ordinal);
            foreach (var name in result.Select(p => p.Key).Where(k => !keep.Contains(k)).ToList()) result.Remove(name);
        }
        foreach (var (name, value) in patch)
        {
            if (name.StartsWith(DeletePrimitive, StringComparison.Ordinal))
            {
                DeleteFrom(result, name[DeletePrimitive.Length..], value as JsonArray ?? []);
                continue;
            }
            if (name.StartsWith('$')) continue;
            if (value is null) result.Remove(name);
            else if (value is JsonObject o) result[name] = Merge(result[name] as JsonObject, o, name);
            else if (value is JsonArray a) result[name] = MergeList(result[name] as JsonArray, a, at, name);
            else result[name] = value.DeepClone();
        }
        foreach (var (name, value) in patch)
        {
            if (name.StartsWith(Order, StringComparison.Ordinal)) Reorder(result, at, name[Order.Length..], value as JsonArray ?? []);
        }
        return result;
    }

    private JsonArray MergeList(JsonArray? target, JsonArray patch, string at, string field)
    {
        var key = ListKeys.Of(kind, at, field);
        if (key is null)
        {
            if (!ListKeys.IsSet(field) || target is null) return (JsonArray)patch.DeepClone();
            var union = (JsonArray)target.DeepClone();
            foreach (var value in patch)
            {
                if (!union.Any(v => Json.Same(v, value))) union.Add(value?.DeepClone());
            }
            return union;
        }
        if (patch.OfType<JsonObject>().Any(e => e.Str("$patch") == "replace"))
            return Json.ArrayOf(patch.OfType<JsonObject>().Where(e => e.Str("$patch") != "replace").Select(e => e.Copy()));
        var result = target is null ? new List<JsonObject>() : [.. target.OfType<JsonObject>().Select(e => e.Copy())];
        foreach (var element in patch.OfType<JsonObject>())
        {
            var id = element.Str(key)
                ?? throw new ApiException(422, "Invalid", $"map: {element.ToJsonString()} does not contain declared merge key: {key}");
            var index = result.FindIndex(e => e.Str(key) == id);
            if (element.Str("$patch") == "delete")
            {
                if (index >= 0) result.RemoveAt(index);
            }
            else if (index >= 0) result[index] = Merge(result[index], element, field);
            else result.Add(Merge(null, element, field));
        }
        return Json.ArrayOf(result);
    }

    private static void DeleteFrom(JsonObject result, string field, JsonArray values)
    {
        if (result[field] is not JsonArray list) return;
        result[field] = new JsonArray([.. list.Where(v => !values.Any(d => Json.Same(d, v))).Select(v => v?.DeepClone())]);
    }

    /// <summary>The listed elements in the listed order; others stay behind the element they followed.</summary>
    private void Reorder(JsonObject result, string at, string field, JsonArray order)
    {
        if (result[field] is not JsonArray list) return;
        var key = ListKeys.Of(kind, at, field);
        string? Id(JsonNode? e) => key is null ? Json.Scalar(e) : e.Str(key);
        var wanted = order.Select(Id).ToList();
        var listed = list.Where(e => wanted.Contains(Id(e))).OrderBy(e => wanted.IndexOf(Id(e))).ToList();
        var next = 0;
        result[field] = new JsonArray([.. list.Select(e => (wanted.Contains(Id(e)) ? listed[next++] : e)?.DeepClone())]);
    }

    private static JsonObject Without(JsonObject o, string name)
    {
        var copy = o.Copy();
        copy.Remove(name);
        return copy;
    }
}
