using System.Text.Json;
using System.Text.Json.Serialization;

namespace Telepresence.Cli.Daemon;

/// <summary>What the proxy reports about itself and its pod.</summary>
internal sealed record ProxyInfo
{
    /// <summary>The proxy's version.</summary>
    public string Version { get; init; } = "";

    /// <summary>Name of the pod.</summary>
    public string PodName { get; init; } = "";

    /// <summary>Text of the pod's /etc/resolv.conf.</summary>
    public string ResolvConf { get; init; } = "";

    /// <summary>The pod's addresses.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>Destinations in the pod's routing tables, in CIDR form.</summary>
    public IReadOnlyList<string> Routes { get; init; } = [];

    /// <summary>Reads the report.</summary>
    /// <exception cref="UserError">It is none: the pod runs something else.</exception>
    internal static ProxyInfo Parse(ReadOnlySpan<byte> report)
    {
        try
        {
            return JsonSerializer.Deserialize(report, ProxyInfoJson.Default.ProxyInfo)
                ?? throw new UserError(ExitCode.ProxyVersion, "The proxy pod's report about itself is empty; its image must be telepresence-k8s of the same version.");
        }
        catch (JsonException fault)
        {
            throw new UserError(ExitCode.ProxyVersion, $"The proxy pod's report about itself makes no sense ({fault.Message}); its image must be telepresence-k8s of the same version.", fault);
        }
    }
}

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(ProxyInfo))]
internal sealed partial class ProxyInfoJson : JsonSerializerContext;
