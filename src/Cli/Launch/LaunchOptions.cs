using Telepresence.Cli.Cluster;
using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Daemon;
using Telepresence.Cli.Engine.Ports;
using Telepresence.Cli.Launch.Volumes;

namespace Telepresence.Cli.Launch;

/// <summary>How programs of the tree are caught.</summary>
internal enum MethodChoice
{
    /// <summary>The best that works for this program on this machine.</summary>
    Auto,

    /// <summary>Namespaces of their own with a TUN device: every binary.</summary>
    Netns,

    /// <summary>The <c>LD_PRELOAD</c> shim: dynamic binaries.</summary>
    Preload,
}

/// <summary>What the user asked of the form without a verb, checked.</summary>
internal sealed record LaunchOptions
{
    /// <summary>Kubeconfig context, or null.</summary>
    public string? Context { get; init; }

    /// <summary>Namespace, or null.</summary>
    public string? Namespace { get; init; }

    /// <summary>Kubeconfig file, absolute, or null.</summary>
    public string? Kubeconfig { get; init; }

    /// <summary>Where the pod comes from.</summary>
    public WorkloadMode Workload { get; init; }

    /// <summary>Name of the Deployment; null for a new one with a generated name.</summary>
    public string? Deployment { get; init; }

    /// <summary>The container, or null.</summary>
    public string? Container { get; init; }

    /// <summary>Service account of a new Deployment, or null.</summary>
    public string? ServiceAccount { get; init; }

    /// <summary>Image of the proxy, or null for the one that belongs to this version.</summary>
    public string? Image { get; init; }

    /// <summary>Ports of the pod that are served here.</summary>
    public IReadOnlyList<ExposedPort> Expose { get; init; } = [];

    /// <summary>Ports of the pod's loopback that are reached here.</summary>
    public IReadOnlyList<ushort> ToPod { get; init; } = [];

    /// <summary>Networks that stay outside.</summary>
    public IReadOnlyList<string> NeverProxy { get; init; } = [];

    /// <summary>Hosts that stay outside.</summary>
    public IReadOnlyList<string> NeverProxyHosts { get; init; } = [];

    /// <summary>How programs are caught.</summary>
    public MethodChoice Method { get; init; }

    /// <summary>Whether and where volumes are mounted.</summary>
    public MountOption Mount { get; init; } = MountOption.Default;

    /// <summary>Whether programs may write to volumes.</summary>
    public bool MountWrite { get; init; }

    /// <summary>File that gets the environment in docker's form, absolute, or null.</summary>
    public string? EnvFile { get; init; }

    /// <summary>File that gets the environment as JSON, absolute, or null.</summary>
    public string? EnvJson { get; init; }

    /// <summary>The log, absolute; <c>-</c> for standard output.</summary>
    public required string LogFile { get; init; }

    /// <summary>Log details, and print how long each part of the start took.</summary>
    public bool Verbose { get; init; }

    /// <summary>The user's command; empty for their shell.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>The part about the pod.</summary>
    /// <param name="user">Whose environment may name another image.</param>
    internal WorkloadRequest ToWorkload(InvokingUser user) => new()
    {
        Mode = Workload,
        Name = Container is null ? Deployment : $"{Deployment}:{Container}",
        Image = Image ?? ProxyDeployment.DefaultImage(user.Environment),
        ServiceAccount = ServiceAccount,
        Exposed = [.. Expose.Where(static port => !port.PodLoopback).Select(static port => new ContainerPort(port.Remote, port.IsUdp ? "UDP" : "TCP", null))],
    };
}
