namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// Where a proxy pod comes from: a Deployment made for it, one that runs the proxy already, or one that stands in for another.
/// </summary>
/// <remarks>
/// <see cref="ProxyPod"/> calls, in this order: <see cref="MakeAsync"/>; while the pod does not come, <see cref="MakeRoomAsync"/>; when it
/// runs, or when who started it is ready, <see cref="TakeOverAsync"/>; when it is lost, <see cref="RemakeAsync"/> and the two others again. Everything that is made is
/// journaled before, and taken back by the journal.
/// </remarks>
internal interface IProxyWorkload
{
    /// <summary>Namespace.</summary>
    string Namespace { get; }

    /// <summary>Name of the Deployment that the pod belongs to.</summary>
    string Name { get; }

    /// <summary>Label selector of its pods.</summary>
    string PodSelector { get; }

    /// <summary>Name of the container that runs the proxy.</summary>
    string Container { get; }

    /// <summary>Image of that container.</summary>
    string Image { get; }

    /// <summary>Port on the pod's loopback that the proxy listens on.</summary>
    int Port { get; }

    /// <summary>Whether the pod asks for sysctls, so that it is worth trying without where they are forbidden.</summary>
    bool AsksForSysctls { get; }

    /// <summary>How long the pod is waited for.</summary>
    TimeSpan StartLimit { get; }

    /// <summary>Whether a pod that the selector finds is really the one: not of an earlier attempt, not of an older rollout.</summary>
    bool Accepts(Pod pod);

    /// <summary>Makes, finds or swaps the Deployment.</summary>
    /// <exception cref="UserError">It cannot be had.</exception>
    /// <exception cref="KubeException">The API server refuses.</exception>
    Task MakeAsync(CancellationToken cancellation);

    /// <summary>Makes it without sysctls, because the cluster forbids them.</summary>
    Task MakeWithoutSysctlsAsync(CancellationToken cancellation);

    /// <summary>Makes anew what somebody has deleted meanwhile.</summary>
    /// <exception cref="UserError">It cannot be had any more.</exception>
    Task RemakeAsync(CancellationToken cancellation);

    /// <summary>Something stands in the way of the pod (a quota, a full node); gives up what may help. Called again and again while it does.</summary>
    Task MakeRoomAsync(CancellationToken cancellation);

    /// <summary>Whether others that give way to this pod are still about to end, so that nothing that stands in its way is final yet.</summary>
    Task<bool> IsRoomComingAsync(CancellationToken cancellation) => Task.FromResult(false);

    /// <summary>From now on the pod alone serves.</summary>
    Task TakeOverAsync(CancellationToken cancellation);

    /// <summary>
    /// Says in the cluster, now and then, that this session lives, so that nobody takes the Deployment for abandoned. May be called before
    /// <see cref="MakeAsync"/>: it begins as soon as there is something to say it on.
    /// </summary>
    /// <returns>Why the Deployment is no longer this session's, as a sentence, should that happen.</returns>
    /// <exception cref="OperationCanceledException">The session ends; the usual way out.</exception>
    Task<string> KeepAsync(CancellationToken cancellation);

    /// <summary>Says it at once, as after an outage. Any thread.</summary>
    void BeatSoon()
    {
    }
}
