namespace Telepresence.Cli.Launch;

/// <summary>A session of the form without a verb, as it tells other terminals of the same user about itself.</summary>
internal sealed record SessionDescription
{
    /// <summary>What <c>--session</c> takes: the Deployment's name.</summary>
    public required string Name { get; init; }

    /// <summary>The session process.</summary>
    public required int Pid { get; init; }

    /// <summary>Version of the program.</summary>
    public required string Version { get; init; }

    /// <summary><c>Connected</c>, <c>Reconnecting</c> …</summary>
    public required string Status { get; init; }

    /// <summary>What is wrong at present, or null.</summary>
    public string? Error { get; init; }

    /// <summary>URL of the API server.</summary>
    public required string KubernetesServer { get; init; }

    /// <summary>Kubeconfig context.</summary>
    public required string KubernetesContext { get; init; }

    /// <summary>Namespace.</summary>
    public required string Namespace { get; init; }

    /// <summary><c>new</c>, <c>existing</c> or <c>swap</c>.</summary>
    public required string Workload { get; init; }

    /// <summary>Pod, once it runs.</summary>
    public string? Pod { get; init; }

    /// <summary><c>netns</c> or <c>preload</c>.</summary>
    public string? Method { get; init; }

    /// <summary>Ports that the pod opens for this machine.</summary>
    public IReadOnlyList<string>? Exposed { get; init; }

    /// <summary>Root of the pod's files here, or null.</summary>
    public string? Root { get; init; }

    /// <summary>The session's log.</summary>
    public string? LogFile { get; init; }
}

/// <summary>What another terminal needs to run a program in a session. It holds secrets: it goes to the session's own user only.</summary>
internal sealed record SessionEntry
{
    /// <summary>The process whose namespaces are entered, or null where the session has none.</summary>
    public int? Holder { get; init; }

    /// <summary>Whether those are a user namespace and what it owns.</summary>
    public bool Rootless { get; init; }

    /// <summary>Whether there is a network namespace, and not of mounts alone.</summary>
    public bool HasNetwork { get; init; }

    /// <summary>The pod's variables.</summary>
    public required IReadOnlyDictionary<string, string> Pod { get; init; }

    /// <summary>Variables of the method, of volumes and of this program.</summary>
    public required IReadOnlyDictionary<string, string> Own { get; init; }

    /// <summary>Kubeconfig context, for the prompt.</summary>
    public required string Context { get; init; }

    /// <summary>A directory of the session's own, for start-up files of shells.</summary>
    public required string Directory { get; init; }
}
