using System.Text.Json.Serialization;

namespace Telepresence.Tunnel.Forward;

/// <summary>What the proxy says about its pod, as one JSON document on a stream of kind <see cref="Mux.StreamKind.Info"/>.</summary>
public sealed record PodReport
{
    /// <summary>The proxy's version.</summary>
    public required string Version { get; init; }

    /// <summary>The pod's name: TELEPRESENCE_POD where the spec sets it, else the host name.</summary>
    public required string PodName { get; init; }

    /// <summary>The pod's host name.</summary>
    public required string Hostname { get; init; }

    /// <summary>When the proxy started, UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Addresses of the pod's interfaces, without prefix lengths, without loopback and link-local ones.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>Destinations of the pod's routes in CIDR notation, without the default route and those of loopback, link-local and multicast networks.</summary>
    public required IReadOnlyList<string> Routes { get; init; }

    /// <summary>The pod's /etc/resolv.conf, word for word.</summary>
    public required string ResolvConf { get; init; }

    /// <summary>The name servers that DNS streams reach, <c>address:port</c>.</summary>
    public required IReadOnlyList<string> NameServers { get; init; }

    /// <summary>The container's environment without what belongs to the image and to the proxy itself.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>
    /// Variables that the image and the container runtime set, with the values that they have: <c>PATH</c>, <c>HOME</c>, … A spec may
    /// declare one of them as well, which the pod's object says.
    /// </summary>
    public IReadOnlyDictionary<string, string> ImageEnvironment { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether the pod may send ICMP echo requests.</summary>
    public required bool MayPing { get; init; }

    /// <summary>The lowest port that the proxy may listen on.</summary>
    public required int LowestPort { get; init; }

    /// <summary>Whether the pod can serve files.</summary>
    public required bool ServesFiles { get; init; }
}

/// <summary>JSON of the <see cref="PodReport"/>; property names in camel case.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PodReport))]
public sealed partial class PodReportJson : JsonSerializerContext;
