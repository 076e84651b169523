using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects.Protobuf;

namespace Telepresence.PracticeCluster.Objects;

/// <summary>Finds fields that the API does not have: the server's side of kubectl's validation.</summary>
internal static class UnknownFields
{
    /// <summary>Paths of unknown fields, e.g. spec.template.spec.containers[0].imagee.</summary>
    public static IReadOnlyList<string> Find(ResourceType type, JsonObject item)
    {
        var found = new List<string>();
        var body = item.Copy();
        body.Remove("apiVersion");
        body.Remove("kind");
        if (type == ResourceTypes.Secrets) body.Remove("stringData");
        Walk(type.Kind, body, "", found);
        return found;
    }

    private static void Walk(string message, JsonObject item, string at, List<string> found)
    {
        foreach (var (name, value) in item)
        {
            var path = at.Length == 0 ? name : $"{at}.{name}";
            if (Field(message, name) is not { } field) found.Add(path);
            else if (!field.IsMessage) continue;
            else if (field.Map)
            {
                foreach (var (key, entry) in value as JsonObject ?? [])
                    if (entry is JsonObject o) Walk(field.Type, o, $"{path}.{key}", found);
            }
            else if (value is JsonObject o) Walk(field.Type, o, path, found);
            else if (value is JsonArray list)
            {
                for (var i = 0; i < list.Count; i++)
                    if (list[i] is JsonObject element) Walk(field.Type, element, $"{path}[{i}]", found);
            }
        }
    }

    private static MessageField? Field(string message, string name)
    {
        foreach (var field in MessageTable.Find(message) ?? [])
        {
            if (field.Inline)
            {
                if (Field(field.Type, name) is { } inner) return inner;
            }
            else if (field.Name == name) return field;
        }
        return null;
    }
}
