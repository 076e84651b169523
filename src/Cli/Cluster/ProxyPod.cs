using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// The proxy pod of one connection: makes its Deployment, waits for it, opens links to it, finds the next one when it is lost.
/// </summary>
/// <param name="kube">The way to the cluster.</param>
/// <param name="journal">Where the Deployment is noted before it is made.</param>
/// <param name="target">Cluster and namespace.</param>
/// <param name="template">The Deployment without its name.</param>
/// <param name="progress">Told what is waited for.</param>
/// <param name="log">The daemon's log.</param>
internal sealed class ProxyPod(KubeAccess kube, Journal journal, KubeTarget target, ProxyDeployment template, Action<string> progress, FileLog log) : ILinkSource
{
    private ProxyDeployment? _made;
    private DeploymentChange? _change;
    private volatile Pod? _pod;
    private volatile UserError? _refusal;
    private volatile string? _lastLinkEnd;

    private ProxyDeployment Deployment => _made ?? template;

    /// <summary>Name of the pod, or null before it runs.</summary>
    internal string? Name => _pod?.Metadata.Name;

    /// <summary>Image that it runs.</summary>
    internal string Image => template.Image;

    /// <summary>Why the last link ended or did not begin.</summary>
    internal string? LastLinkEnd => _lastLinkEnd;

    /// <summary>Makes the Deployment and waits until its pod runs.</summary>
    /// <exception cref="UserError">It cannot.</exception>
    /// <exception cref="KubeException">The API server refuses.</exception>
    internal async Task StartAsync(CancellationToken cancellation)
    {
        try
        {
            await CreateAsync(withSysctls: true, cancellation);
            _pod = await new PodWatch(kube.Client, Deployment, progress).WaitAsync(cancellation);
        }
        catch (Exception fault) when (fault is SysctlsForbiddenException || fault is KubeException { Status: 403 or 422 } && fault.Message.Contains("sysctl", StringComparison.OrdinalIgnoreCase))
        {
            log.Write($"the cluster forbids sysctls, doing without: {fault.Message}");
            await RemoveAsync(cancellation);
            await CreateAsync(withSysctls: false, cancellation);
            _pod = await new PodWatch(kube.Client, Deployment, progress).WaitAsync(cancellation);
        }
    }

    /// <summary>Waits for a pod that runs, making the Deployment anew if somebody deleted it.</summary>
    /// <returns>Whether it is another pod than before.</returns>
    internal async Task<bool> FindAgainAsync(CancellationToken cancellation)
    {
        string? before = _pod?.Metadata.Uid;
        await kube.EnsureAsync(cancellation);
        try
        {
            await kube.Client.GetAsync(KubeRequest.GetDeployment(Deployment.Namespace, Deployment.Name), KubeJson.Default.Deployment, cancellation);
        }
        catch (KubeException fault) when (fault.IsNotFound)
        {
            log.Write($"deployment {Deployment.Name} is gone; making it anew");
            await RemoveAsync(cancellation);
            await CreateAsync(Deployment.WithSysctls, cancellation);
        }

        _pod = await new PodWatch(kube.Client, Deployment, progress).WaitAsync(cancellation);
        return _pod.Metadata.Uid != before;
    }

    /// <summary>Whether there is a reason why no link will come about: a missing right, or a proxy that ends again and again.</summary>
    /// <returns>The reason, or null.</returns>
    internal async Task<UserError?> FindFailureAsync(CancellationToken cancellation)
    {
        if (_refusal is not null || _lastLinkEnd is null)
            return _refusal;
        try
        {
            return await new PodWatch(kube.Client, Deployment, progress).FindFailureAsync(cancellation);
        }
        catch (KubeException fault)
        {
            log.Detail($"the pod cannot be looked at: {fault.Message}");
            return null;
        }
    }

    /// <inheritdoc/>
    async Task<FileDescriptor> ILinkSource.ConnectAsync(CancellationToken cancellation)
    {
        string pod = Name ?? throw new SessionLostException("The proxy pod is not known.");
        try
        {
            await kube.EnsureAsync(cancellation);
            PortForwardLink link = await PortForwardLink.OpenAsync(kube.Client, Deployment.Namespace, pod, ProxyDeployment.Port, cancellation);
            _ = NoteEndAsync(link);
            return link.Descriptor;
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

    private async Task CreateAsync(bool withSysctls, CancellationToken cancellation)
    {
        _made = template with { Name = ProxyDeployment.NewName(), WithSysctls = withSysctls };
        _change = new DeploymentChange(target.Namespace, Deployment.Name, target.Context, target.Server, target.Kubeconfig)
        {
            Client = kube.Client,
            Object = Deployment.ToObject(),
        };
        await journal.ApplyAsync(_change, cancellation);
        log.Write($"deployment {Deployment.Name} with image {Deployment.Image} made in namespace {Deployment.Namespace}");
    }

    private async Task RemoveAsync(CancellationToken cancellation)
    {
        if (_change is { } change)
            await journal.UndoAsync(change, cancellation);
        _change = null;
    }

    private async Task ThrowIfLostAsync(string pod, CancellationToken cancellation)
    {
        KubeList<Pod> pods = await kube.Client.GetAsync(KubeRequest.ListPods(Deployment.Namespace, Deployment.PodSelector), KubeJson.Default.KubeListPod, cancellation);
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
