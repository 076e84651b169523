using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Patches;

/// <summary>
/// Server-side apply: the applied fields are merged in; what the same manager applied before and leaves out now goes,
/// unless another manager applied it too; two managers that apply different values to one field are in conflict. Only
/// fields that were applied are owned: those that came by create, update or patch conflict with nobody.
/// </summary>
internal static class ServerSideApply
{
    /// <exception cref="ApiException">409 for conflicts, unless <paramref name="force"/>.</exception>
    public static JsonObject Apply(ResourceType type, JsonObject old, JsonObject applied, string manager, bool force)
    {
        var kind = type.Kind;
        var clean = applied.Copy();
        clean.Remove("status");
        clean.Obj("metadata")?.Remove("managedFields");
        var fields = ManagedFields.Set(kind, clean);
        var others = old.Each("metadata", "managedFields")
            .Where(e => e.Str("operation") == "Apply" && e.Str("manager") != manager)
            .Select(e => (Manager: e.Str("manager") ?? "", Fields: e.Obj("fieldsV1") ?? [])).ToList();

        var result = new StrategicMergePatch(kind).Apply(old, clean);
        if (ManagedFields.FieldsOf(old, manager) is { } before) Remove(kind, result, before, fields, [.. others.Select(o => o.Fields)], "");

        var conflicts = new List<string>();
        foreach (var (name, theirs) in others) Conflicts(kind, old, result, fields, theirs, "", "", path => conflicts.Add($"conflict with \"{name}\": {path}"));
        if (conflicts.Count > 0 && !force)
            throw new ApiException(409, "Conflict", $"Apply failed with {conflicts.Count} conflict{(conflicts.Count == 1 ? "" : "s")}: {string.Join(", ", conflicts)}",
                new JsonObject { ["causes"] = Json.ArrayOf(conflicts.Select(c => new JsonObject { ["reason"] = "FieldManagerConflict", ["message"] = c })) });
        if (applied.Str("metadata", "resourceVersion") is null) result.Meta().Remove("resourceVersion");
        ManagedFields.Record(type, result, manager, "Apply", clean);
        return result;
    }

    /// <summary>Takes out of <paramref name="target"/> what is in <paramref name="before"/> but in no other set.</summary>
    private static void Remove(string kind, JsonObject target, JsonObject before, JsonObject now, List<JsonObject> others, string at)
    {
        foreach (var (step, inner) in before)
        {
            if (!step.StartsWith("f:", StringComparison.Ordinal)) continue;
            var name = step[2..];
            var still = now.Obj(step);
            var theirs = others.Select(o => o.Obj(step)).OfType<JsonObject>().ToList();
            if (still is null && theirs.Count == 0) target.Remove(name);
            else if (target[name] is JsonObject child) Remove(kind, child, inner as JsonObject ?? [], still ?? [], theirs, name);
            else if (target[name] is JsonArray list && ListKeys.Of(kind, at, name) is { } key)
                RemoveElements(kind, list, key, inner as JsonObject ?? [], still ?? [], theirs, name);
        }
    }

    private static void RemoveElements(string kind, JsonArray list, string key, JsonObject before, JsonObject now, List<JsonObject> others, string name)
    {
        foreach (var element in list.OfType<JsonObject>().ToList())
        {
            var id = ManagedFields.ElementKey(element, key);
            if (before.Obj(id) is not { } fields) continue;
            var still = now.Obj(id);
            var theirs = others.Select(o => o.Obj(id)).OfType<JsonObject>().ToList();
            if (still is null && theirs.Count == 0) list.Remove(element);
            else Remove(kind, element, fields, still ?? [], theirs, name);
        }
    }

    private static void Conflicts(string kind, JsonNode? old, JsonNode? result, JsonObject mine, JsonObject theirs, string at, string path, Action<string> report)
    {
        foreach (var (step, inner) in mine)
        {
            if (theirs.Obj(step) is not { } shared || step == ".") continue;
            if (step.StartsWith("f:", StringComparison.Ordinal))
            {
                var name = step[2..];
                var (was, becomes) = (old.At(name), result.At(name));
                var leaf = inner is not JsonObject { Count: > 0 };
                if (leaf && !Json.Same(was, becomes)) report($"{path}.{name}");
                else if (!leaf) Conflicts(kind, was, becomes, (JsonObject)inner!, shared, name, $"{path}.{name}", report);
            }
            else if (old is JsonArray before && result is JsonArray after && ListKeys.Of(kind, "", at) is { } key)
            {
                JsonObject? Find(JsonArray list) => list.OfType<JsonObject>().FirstOrDefault(e => ManagedFields.ElementKey(e, key) == step);
                Conflicts(kind, Find(before), Find(after), (JsonObject)inner!, shared, at, $"{path}[{step[2..]}]", report);
            }
        }
    }
}
