using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>A Deployment's <c>spec.selector</c> as the query parameter <c>labelSelector</c> has it. A pure function.</summary>
internal static class PodSelectorText
{
    /// <summary>Writes it.</summary>
    internal static string Of(JsonObject selector)
    {
        List<string> parts = [];
        foreach ((string key, JsonNode? value) in selector["matchLabels"] as JsonObject ?? [])
            parts.Add($"{key}={(string?)value}");
        foreach (JsonNode? expression in selector["matchExpressions"] as JsonArray ?? [])
        {
            string key = (string)expression!["key"]!;
            string values = string.Join(',', (expression["values"] as JsonArray ?? []).Select(static value => (string?)value));
            parts.Add((string?)expression["operator"] switch
            {
                "In" => $"{key} in ({values})",
                "NotIn" => $"{key} notin ({values})",
                "DoesNotExist" => $"!{key}",
                _ => key,
            });
        }

        return string.Join(',', parts);
    }
}
