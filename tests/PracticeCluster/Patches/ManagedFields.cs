using System.Text.Json;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Patches;

/// <summary>metadata.managedFields: which manager has applied which fields, in the FieldsV1 form.</summary>
internal static class ManagedFields
{
    private static readonly string[] NotManaged = ["name", "namespace", "uid", "resourceVersion", "managedFields", "creationTimestamp", "generation", "generateName"];

    /// <summary>Replaces the manager's entry by one for the fields of <paramref name="applied"/> (default: the item itself).</summary>
    public static void Record(ResourceType type, JsonObject item, string manager, string operation, JsonObject? applied = null)
    {
        if (manager.Length == 0) return;
        var fields = Set(type.Kind, applied ?? item);
        var list = new JsonArray([.. item.Each("metadata", "managedFields")
            .Where(e => e.Str("manager") != manager || e.Str("operation") != operation).Select(e => e.DeepClone())]);
        list.Add(new JsonObject
        {
            ["manager"] = manager,
            ["operation"] = operation,
            ["apiVersion"] = type.ApiVersion,
            ["time"] = Json.Now(),
            ["fieldsType"] = "FieldsV1",
            ["fieldsV1"] = fields,
        });
        item.Meta()["managedFields"] = list;
    }

    public static JsonObject? FieldsOf(JsonObject item, string manager) => item.Each("metadata", "managedFields")
        .FirstOrDefault(e => e.Str("manager") == manager && e.Str("operation") == "Apply").Obj("fieldsV1");

    /// <summary>The fields of an object as a FieldsV1 tree, without the identity of the object.</summary>
    public static JsonObject Set(string kind, JsonObject item)
    {
        var copy = item.Copy();
        foreach (var field in (ReadOnlySpan<string>)["apiVersion", "kind", "status"]) copy.Remove(field);
        if (copy.Obj("metadata") is { } meta)
            foreach (var field in NotManaged) meta.Remove(field);
        return Fields(kind, copy, "");
    }

    private static JsonObject Fields(string kind, JsonObject o, string at)
    {
        var set = new JsonObject();
        foreach (var (name, value) in o)
        {
            set[$"f:{name}"] = value switch
            {
                JsonObject inner => Fields(kind, inner, name),
                JsonArray list when ListKeys.Of(kind, at, name) is { } key => Elements(kind, list, name, key),
                _ => new JsonObject(),
            };
        }
        return set;
    }

    private static JsonObject Elements(string kind, JsonArray list, string name, string key)
    {
        var set = new JsonObject();
        foreach (var element in list.OfType<JsonObject>())
        {
            var fields = Fields(kind, element, name);
            fields["."] = new JsonObject();
            set[ElementKey(element, key)] = fields;
        }
        return set;
    }

    public static string ElementKey(JsonObject element, string key) =>
        $"k:{JsonSerializer.Serialize(new JsonObject { [key] = element[key]?.DeepClone() }, Json.Plain)}";
}
