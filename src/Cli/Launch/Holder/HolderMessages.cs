using System.Text.Json;
using System.Text.Json.Serialization;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>What the session asks the holder to make of its network namespace.</summary>
internal sealed record NamespaceSpec
{
    /// <summary>Networks in CIDR form in which the TUN's own addresses must not lie: the pod's, the cluster's.</summary>
    public IReadOnlyList<string> Avoid { get; init; } = [];

    /// <summary>Whether there is IPv6; where the pod has none, programs should not try it.</summary>
    public bool Ipv6 { get; init; } = true;

    /// <summary>Search list of resolv.conf: the pod's.</summary>
    public IReadOnlyList<string> Search { get; init; } = [];

    /// <summary>Options of resolv.conf: the pod's, such as <c>ndots:5</c>.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    /// <summary>Largest packet of the TUN, bytes.</summary>
    public int Mtu { get; init; } = 65_520;
}

/// <summary>What became of a <see cref="NamespaceSpec"/>; the descriptors are with it in the order of its counts.</summary>
internal sealed record NamespaceReport
{
    public string Interface { get; init; } = "";

    public int Mtu { get; init; }

    /// <summary>Addresses of the TUN: IPv4, then IPv6 if there is one.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>First of the descriptors is the TUN; then this many UDP sockets on port 53.</summary>
    public int DnsUdpCount { get; init; }

    /// <summary>Then this many TCP sockets on port 53; then the socket that is asked for sockets; then perhaps one for sock_diag(7).</summary>
    public int DnsTcpCount { get; init; }

    /// <summary>A sentence for each thing that is not as it should be and does not stand in the way.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}

/// <summary>A command that the holder is to start.</summary>
internal sealed record LaunchSpec
{
    /// <summary>Program and arguments; the program is looked up in the PATH of <see cref="Environment"/>.</summary>
    public required IReadOnlyList<string> Command { get; init; }

    /// <summary>All variables.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Where it starts; null for where the session was started, which is kept even when a volume covers it.</summary>
    public string? Directory { get; init; }

    /// <summary>Without arguments and variables: they may hold secrets, and this text may reach a log.</summary>
    public override string ToString() => Command.Count > 0 ? Command[0] : "";
}

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(NamespaceSpec))]
[JsonSerializable(typeof(NamespaceReport))]
[JsonSerializable(typeof(LaunchSpec))]
internal sealed partial class HolderJson : JsonSerializerContext
{
    /// <summary>Reads what the other process wrote.</summary>
    /// <exception cref="IOException">It is something else.</exception>
    internal static T Read<T>(string? text, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(text ?? "", type) ?? throw new IOException("an empty message");
        }
        catch (JsonException fault)
        {
            throw new IOException($"a message that makes no sense: {fault.Message}", fault);
        }
    }
}
