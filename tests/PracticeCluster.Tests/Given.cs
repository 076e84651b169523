using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Tests;

internal static class Given
{
    /// <summary>An object written as JSON with single quotes.</summary>
    public static JsonObject Object(string json) => (JsonObject)JsonNode.Parse(json.Replace('\'', '"'))!;

    public static JsonArray Array(string json) => (JsonArray)JsonNode.Parse(json.Replace('\'', '"'))!;

    public static void Same(string expected, JsonNode? actual) =>
        Assert.True(Json.Same(JsonNode.Parse(expected.Replace('\'', '"')), actual), $"expected {expected}\nbut got  {actual?.ToJsonString()}");
}
