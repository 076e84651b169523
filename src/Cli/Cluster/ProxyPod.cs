using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// The proxy pod of one session: waits for it, opens links to it, finds the next one when it is lost.
/// </summary>
/// <param name="kube">The way to the cluster.</param>
/// <param name="workload">Where the pod comes from.</param>
/// <param name="progress">Told what is waited for.</param>
/// <param name="log">The session's log.</param>
internal sealed class ProxyPod(KubeAccess kube, IProxyWorkload workload, Action<string> progress, FileLog log) : ILinkSource
{
    private volatile Pod? _pod;
    private volatile bool _tookOver;
    private volatile UserError? _refusal;
    private volatile string? _lastLinkEnd;

    /// <summary>Name of the pod, or null before it runs.</summary>
    internal string? Name => _pod?.Metadata.Name;

    /// <summary>Image that it runs.</summary>
    internal string Image => workload.Image;

    /// <summary>Why the last link ended or did not begin.</summary>
    internal string? LastLinkEnd => _lastLinkEnd;

    /// <summary>
    /// Whether <see cref="TakeOverAsync"/> is called by who starts the pod, when everything is ready for the requests that then come.
    /// Otherwise that is done as soon as the pod runs.
    /// </summary>
    internal bool TakesOverLate { get; init; }

    /// <summary>Makes, finds or swaps the Deployment and waits until its pod runs.</summary>
    /// <exception cref="UserError">It cannot.</exception>
    /// <exception cref="KubeException">The API server refuses.</exception>
    internal async Task StartAsync(CancellationToken cancellation)
    {
        try
        {
            await workload.MakeAsync(cancellation);
            await WaitAsync(cancellation);
        }
        catch (Exception fault) when (workload.AsksForSysctls && (fault is SysctlsForbiddenException || (fault is KubeException { Status: 403 or 422 } && PodDiagnosis.NamesExtras(fault.Message))))
        {
            log.Write($"the cluster forbids sysctls or a group, doing without: {fault.Message}");
            await workload.MakeWithoutSysctlsAsync(cancellation);
            await WaitAsync(cancellation);
        }
    }

    /// <summary>From now on this pod alone serves: a swapped Deployment is scaled down only here.</summary>
    /// <exception cref="UserError">The Deployment is somebody else's by now.</exception>
    /// <exception cref="KubeException">The API server refuses.</exception>
    internal async Task TakeOverAsync(CancellationToken cancellation)
    {
        await workload.TakeOverAsync(cancellation);
        _tookOver = true;
    }

    /// <summary>Waits for a pod that runs, making the Deployment anew if somebody deleted it.</summary>
    /// <returns>Whether it is another pod than before.</returns>
    internal async Task<bool> FindAgainAsync(CancellationToken cancellation)
    {
        string? before = _pod?.Metadata.Uid;
        await kube.EnsureAsync(cancellation);
        await workload.RemakeAsync(cancellation);
        await WaitAsync(cancellation);
        return _pod!.Metadata.Uid != before;
    }

    /// <summary>Whether there is a reason why no link will come about: a missing right, or a proxy that ends again and again.</summary>
    /// <returns>The reason, or null.</returns>
    internal async Task<UserError?> FindFailureAsync(CancellationToken cancellation)
    {
        if (_refusal is not null || _lastLinkEnd is null)
            return _refusal;
        try
        {
            return await new PodWatch(kube.Client, workload, progress).FindFailureAsync(cancellation);
        }
        catch (KubeException fault)
        {
            log.Detail($"the pod cannot be looked at: {fault.Message}");
            return null;
        }
    }

    /// <inheritdoc/>
    async Task<Link> ILinkSource.ConnectAsync(CancellationToken cancellation)
    {
        string pod = Name ?? throw new SessionLostException("The proxy pod is not known.");
        try
        {
            await kube.EnsureAsync(cancellation);
            PortForwardLink link = await PortForwardLink.OpenAsync(kube.Client, workload.Namespace, pod, workload.Port, cancellation);
            _ = NoteEndAsync(link);

            // The API server can be reached, perhaps after an outage in which this session looked dead.
            workload.BeatSoon();
            return new Link(link.Socket, link);
        }
        catch (UserError error)
        {
            throw Failure(error.Message, error);
        }
        catch (KubeException fault) when (fault.IsNotFound)
        {
            throw new SessionLostException($"The proxy pod {pod} is gone.", fault);
        }
        catch (KubeException fault)
        {
            if (fault.Status is 401 or 403)
                _refusal = fault.Explanation;

            // A pod that has ended but is still listed refuses port-forwards in many words.
            if (fault.Status is >= 400 and < 500 and not (401 or 403 or 429) || fault.Message.Contains("not running", StringComparison.Ordinal) || fault.Message.Contains("unable to do port forwarding", StringComparison.Ordinal))
                await ThrowIfLostAsync(pod, cancellation);
            throw Failure(fault.Explanation.Message, fault);
        }
    }

    private async Task WaitAsync(CancellationToken cancellation)
    {
        _pod = await new PodWatch(kube.Client, workload, progress).WaitAsync(cancellation);
        if (!TakesOverLate || _tookOver)
            await TakeOverAsync(cancellation);
    }

    private async Task ThrowIfLostAsync(string pod, CancellationToken cancellation)
    {
        KubeList<Pod> pods;
        try
        {
            pods = await kube.Client.GetAsync(KubeRequest.ListPods(workload.Namespace, workload.PodSelector), KubeJson.Default.KubeListPod, cancellation);
        }
        catch (KubeException fault)
        {
            // Not known, then; the next attempt asks again.
            log.Detail($"the pods cannot be listed: {fault.Message}");
            return;
        }

        if (!(pods.Items ?? []).Any(present => present.Metadata.Name == pod && present.Metadata.DeletionTimestamp is null && present.Status?.Phase == "Running"))
            throw new SessionLostException($"The proxy pod {pod} is gone.");
    }

    private async Task NoteEndAsync(PortForwardLink link)
    {
        string reason = await link.Ended;
        _lastLinkEnd = reason;
        log.Write($"link ended: {reason}");
    }

    private IOException Failure(string reason, Exception cause)
    {
        _lastLinkEnd = reason;
        log.Write($"no link: {reason}");
        return new IOException(reason, cause);
    }
}
