using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Api.Tables;

/// <summary>A column of kubectl get: wide ones only with -o wide.</summary>
internal sealed record Column(string Name, Func<JsonObject, JsonNode?> Cell, bool Wide = false, string Type = "string")
{
    /// <summary>"name" for the name column, which clients treat apart.</summary>
    public string Format => Name == "Name" ? "name" : "";
}
