using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api;

/// <summary>Writes what the API answers with.</summary>
internal static class Responses
{
    public static async Task WriteAsync(this HttpResponse response, int status, JsonNode body)
    {
        var bytes = Json.Bytes(body);
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.ContentLength = bytes.Length;
        await response.Body.WriteAsync(bytes).ConfigureAwait(false);
    }

    /// <summary>A list; as on a real server the items of a typed list do not repeat kind and apiVersion.</summary>
    public static async Task WriteListAsync(this HttpResponse response, ResourceType type, JsonObject metadata, IReadOnlyList<JsonObject> items)
    {
        response.ContentType = "application/json";
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = Json.Plain.Encoder }))
        {
            writer.WriteStartObject();
            writer.WriteString("kind", $"{type.Kind}List");
            writer.WriteString("apiVersion", type.ApiVersion);
            writer.WritePropertyName("metadata");
            metadata.WriteTo(writer);
            writer.WriteStartArray("items");
            foreach (var item in items)
            {
                writer.WriteStartObject();
                foreach (var (name, value) in item)
                {
                    if (name is "kind" or "apiVersion") continue;
                    writer.WritePropertyName(name);
                    if (value is null) writer.WriteNullValue();
                    else value.WriteTo(writer);
                }
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteEndObject();
        }
        response.ContentLength = buffer.Length;
        await response.Body.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length)).ConfigureAwait(false);
    }

    public static JsonObject Success(ResourceType type, JsonObject item)
    {
        var details = new JsonObject { ["name"] = item.Name() };
        if (type.Group.Length > 0) details["group"] = type.Group;
        details["kind"] = type.Plural;
        details["uid"] = item.Uid();
        return new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Success", ["details"] = details };
    }
}
