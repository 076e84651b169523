using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Daemon;

/// <summary>What the user asked of <c>connect</c>, checked.</summary>
internal sealed record ConnectOptions
{
    /// <summary>CIDRs or addresses that go through the cluster besides its own networks.</summary>
    public IReadOnlyList<string> AlsoProxy { get; init; } = [];

    /// <summary>Host names, looked up in the cluster, whose addresses go through it.</summary>
    public IReadOnlyList<string> AlsoProxyHosts { get; init; } = [];

    /// <summary>CIDRs or addresses that stay outside.</summary>
    public IReadOnlyList<string> NeverProxy { get; init; } = [];

    /// <summary>Host names that stay outside; looked up on this machine when it connects.</summary>
    public IReadOnlyList<string> NeverProxyHosts { get; init; } = [];

    /// <summary>Suffixes of names that the cluster is asked for first.</summary>
    public IReadOnlyList<string> DnsSuffixes { get; init; } = [];

    /// <summary>Everything but the exceptions goes through the cluster.</summary>
    public bool All { get; init; }

    /// <summary>The user daemon's log, absolute, or null for its own place.</summary>
    public string? LogFile { get; init; }

    /// <summary>Log details.</summary>
    public bool Verbose { get; init; }

    /// <summary>Image of the proxy pod, or null for the one that belongs to this version.</summary>
    public string? Image { get; init; }

    /// <summary>Whether a further <c>connect</c> with these options asks for nothing that the connection <paramref name="present"/> does not do.</summary>
    internal bool IsCoveredBy(ConnectOptions present) =>
        AlsoProxy.All(present.AlsoProxy.Contains)
        && AlsoProxyHosts.All(present.AlsoProxyHosts.Contains)
        && NeverProxy.All(present.NeverProxy.Contains)
        && NeverProxyHosts.All(present.NeverProxyHosts.Contains)
        && DnsSuffixes.All(present.DnsSuffixes.Contains)
        && (present.All || !All)
        && (Image is null || Image == present.Image);
}

/// <summary>A whole request to connect, as it goes to the root daemon.</summary>
internal sealed record ConnectRequest
{
    /// <summary>Version of the program that asks.</summary>
    public required string Version { get; init; }

    /// <summary>For whom.</summary>
    public required InvokingUser User { get; init; }

    /// <summary>Cluster and namespace.</summary>
    public required KubeTarget Target { get; init; }

    /// <summary>How.</summary>
    public required ConnectOptions Options { get; init; }

    /// <summary>Whether the connection is to end with the one that asked for it (<c>connect -- CMD</c>).</summary>
    public bool Hold { get; init; }

    /// <summary>Whether the connection that <paramref name="present"/> made is what this asks for.</summary>
    internal bool IsSameAs(ConnectRequest present) =>
        User.Uid == present.User.Uid
        && Target with { Kubeconfig = null, Variable = null } == present.Target with { Kubeconfig = null, Variable = null }
        && Options.IsCoveredBy(present.Options);
}
