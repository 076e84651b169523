using System.Text.Json;
using System.Text.Json.Serialization;

namespace Telepresence.Proxy;

/// <summary>What this pod stands in for, and how to bring that back: the JSON of TELEPRESENCE_RESTORE.</summary>
internal sealed record RestoreOrder
{
    /// <summary>Namespace of both Deployments.</summary>
    public required string Namespace { get; init; }

    /// <summary>The Deployment that was scaled to 0.</summary>
    public required string Deployment { get; init; }

    /// <summary>The Deployment that this pod belongs to.</summary>
    public required string StandIn { get; init; }

    /// <summary>The session that swapped it; another one's swap is left alone.</summary>
    public required string Session { get; init; }

    /// <summary>After how many seconds without a client.</summary>
    public required int After { get; init; }

    /// <summary>The annotation that names the session.</summary>
    public required string SessionKey { get; init; }

    /// <summary>The annotation with the number of replicas.</summary>
    public required string ReplicasKey { get; init; }

    /// <summary>Reads it; null when there is none.</summary>
    /// <exception cref="FormatException">One sentence.</exception>
    internal static RestoreOrder? Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        try
        {
            return JsonSerializer.Deserialize(text, RestoreJson.Default.RestoreOrder);
        }
        catch (JsonException fault)
        {
            throw new FormatException($"{ProxySettings.RestoreVariable} must be the JSON that telepresence writes: {fault.Message}", fault);
        }
    }
}

/// <summary>JSON without reflection; property names in camel case.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RestoreOrder))]
internal sealed partial class RestoreJson : JsonSerializerContext;
