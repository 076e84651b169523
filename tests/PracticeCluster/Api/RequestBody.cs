using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Objects.Protobuf;

namespace Telepresence.PracticeCluster.Api;

/// <summary>Reads JSON, YAML and protobuf bodies of bounded size.</summary>
internal static class RequestBody
{
    private const int Limit = 3 * 1024 * 1024;

    /// <exception cref="ApiException">400, 413 or 415.</exception>
    public static async Task<JsonNode?> ReadAsync(HttpRequest request)
    {
        var type = (request.ContentType ?? "application/json").Split(';')[0].Trim();
        using var bytes = new MemoryStream();
        var buffer = new byte[16384];
        while (await request.Body.ReadAsync(buffer, request.HttpContext.RequestAborted).ConfigureAwait(false) is var n and > 0)
        {
            bytes.Write(buffer, 0, n);
            if (bytes.Length > Limit) throw new ApiException(413, "RequestEntityTooLarge", $"Request entity too large: limit is {Limit}");
        }
        if (bytes.Length == 0) return null;
        if (type == "application/vnd.kubernetes.protobuf") return ProtobufReader.Read(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        var text = Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        try
        {
            return text.AsSpan().TrimStart() is ['{' or '[', ..] ? JsonNode.Parse(text) : Yaml.ToJson(text);
        }
        catch (JsonException e)
        {
            throw ApiException.BadRequest($"the object provided is unrecognized (must be of type with JSON or YAML encoding): {e.Message}");
        }
    }

    public static async Task<JsonObject> ReadObjectAsync(HttpRequest request) =>
        await ReadAsync(request).ConfigureAwait(false) as JsonObject ?? throw ApiException.BadRequest("the request body is not an object");
}
