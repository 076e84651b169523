using System.Text.Json.Serialization;

using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Daemon;

/// <summary>What <c>status</c> shows. The JSON keys are part of the program's interface; empty ones are left out.</summary>
internal sealed record StatusReport
{
    public RootDaemonStatus RootDaemon { get; init; } = new();

    public UserDaemonStatus UserDaemon { get; init; } = new();

    public ProxyStatus TrafficManager { get; init; } = new();

    /// <summary>The user's sessions of the form without a verb.</summary>
    public IReadOnlyList<SessionDescription>? Connections { get; init; }
}

/// <summary>The part about the machine.</summary>
internal sealed record RootDaemonStatus
{
    public bool Running { get; init; }

    public string? Name { get; init; }

    public string? Version { get; init; }

    public string? Interface { get; init; }

    public DnsStatus? Dns { get; init; }

    public IReadOnlyList<string>? Subnets { get; init; }

    public IReadOnlyList<string>? AlsoProxy { get; init; }

    public IReadOnlyList<string>? NeverProxy { get; init; }

    /// <summary>A sentence for each network that is not routed, or not known for certain.</summary>
    public IReadOnlyList<string>? Notes { get; init; }
}

/// <summary>How names are looked up.</summary>
internal sealed record DnsStatus
{
    public string? LocalIp { get; init; }

    public string? RemoteIp { get; init; }

    public IReadOnlyList<string>? IncludeSuffixes { get; init; }

    public IReadOnlyList<string>? SearchPath { get; init; }

    /// <summary>How the machine was told about the resolver: <c>systemd-resolved</c> or <c>resolv.conf</c>.</summary>
    public string? Method { get; init; }

    public string? Error { get; init; }
}

/// <summary>The part about the cluster.</summary>
internal sealed record UserDaemonStatus
{
    public bool Running { get; init; }

    public string? Name { get; init; }

    public string? Version { get; init; }

    public string? Executable { get; init; }

    public string? User { get; init; }

    public string? Status { get; init; }

    public string? Error { get; init; }

    public string? KubernetesServer { get; init; }

    public string? KubernetesContext { get; init; }

    public string? Namespace { get; init; }

    public string? LogFile { get; init; }
}

/// <summary>The part about the proxy pod.</summary>
internal sealed record ProxyStatus
{
    public string? Name { get; init; }

    public string? Version { get; init; }

    public string? Pod { get; init; }

    public string? Image { get; init; }

    /// <summary><c>Established</c>, <c>Suspended</c> …</summary>
    public string? Session { get; init; }

    public double? RoundTripMs { get; init; }

    public int? Connections { get; init; }

    public int? Links { get; init; }

    /// <summary>What was dropped or refused, by name, where it is not zero.</summary>
    [JsonPropertyName("counters")]
    public IReadOnlyDictionary<string, long>? Counters { get; init; }
}
