using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// A Deployment that is swapped for the time of a session: it keeps its spec and is scaled to 0, a copy with the proxy stands in.
/// </summary>
/// <remarks>
/// The original is scaled down when the stand-in can serve, so that a stand-in that cannot costs nobody their service; sooner where the two
/// cannot run side by side, or where the original's pods stand in its way. Before that the stand-in's pod may restore it, if that can be had.
/// </remarks>
/// <param name="context">What every way needs.</param>
/// <param name="asked">Name and perhaps container.</param>
/// <param name="image">The proxy's image.</param>
/// <param name="restoreAfter">After how long without a client the pod restores.</param>
internal sealed class SwappedWorkload(WorkloadContext context, WorkloadName asked, string image, TimeSpan restoreAfter) : IProxyWorkload
{
    // What pods need behind the end of their grace period, and what volumes and quotas need behind the end of the pods.
    private static readonly TimeSpan EndingAllowance = TimeSpan.FromSeconds(120), SettlingAllowance = TimeSpan.FromSeconds(60);

    private readonly HoldKeeper _keeper = new(context, WorkloadRequest.NewSession());
    private HoldChange? _change;
    private DeploymentView? _original;
    private JsonObject? _standIn;
    private string _container = asked.Container ?? "";
    private long? _scaledDownAt, _goneAt;
    private bool _granted, _toldOfRights;

    /// <inheritdoc/>
    public string Namespace => context.Target.Namespace;

    /// <inheritdoc/>
    public string Name => StandIn.NameFor(asked.Name, Session);

    /// <inheritdoc/>
    public string PodSelector => $"{ProxyDeployment.SessionLabel}={PodSession}";

    /// <inheritdoc/>
    public string Container => _container;

    /// <inheritdoc/>
    public string Image => image;

    /// <inheritdoc/>
    public int Port { get; private set; } = ProxyDeployment.Port;

    /// <inheritdoc/>
    public bool AsksForSysctls { get; private set; } = true;

    /// <inheritdoc/>
    public TimeSpan StartLimit => ProxyDeployment.StartLimit + (_original?.GracePeriod ?? TimeSpan.Zero);

    /// <inheritdoc/>
    public bool Accepts(Pod pod) => true;

    private string Session => _keeper.Session;

    private string PodSession => AsksForSysctls ? Session : $"{Session}-2";

    /// <inheritdoc/>
    public async Task MakeAsync(CancellationToken cancellation)
    {
        DeploymentView original = await DeploymentView.FindAsync(context.Client, Namespace, asked.Name, cancellation);
        _container = original.ChooseContainer(asked.Container, out string? note);
        if (note is not null)
            context.Tell(note);
        _change = new HoldChange(Namespace, asked.Name, Session, Name, context.Target.Context, context.Target.Server, context.Target.Kubeconfig)
        {
            KubeconfigVariable = context.Target.Variable,
            Client = context.Client,
            Hold = context.NewHold(Session) with { Heard = null, StandIn = Name },
            Observer = context.Observer,
        };
        Describe(original, context.NewHold(Session));
        await context.Journal.ApplyAsync(_change, cancellation);

        // Read again: what the hold was taken on is what is copied.
        _original = await DeploymentView.FindAsync(context.Client, Namespace, asked.Name, cancellation);
        await CreateAsync(cancellation);
    }

    /// <inheritdoc/>
    public async Task MakeWithoutSysctlsAsync(CancellationToken cancellation)
    {
        AsksForSysctls = false;
        if (_standIn is not null)
            await ClusterChange.DeleteOwnAsync(context.Client, KubeRequest.GetDeployment(Namespace, Name), KubeRequest.DeleteDeployment(Namespace, Name), Session, StandIn.Component, CancellationToken.None);
        await CreateAsync(cancellation);
    }

    /// <inheritdoc/>
    public async Task RemakeAsync(CancellationToken cancellation)
    {
        if (await _keeper.LookAsync(asked.Name, Name, cancellation) is { } lost)
            throw new UserError(ExitCode.WorkloadHeld, lost);
        if (await new HeldDeployment(context.Client, Namespace, Name).FindAsync(cancellation) is not null)
            return;
        context.Log.Write($"deployment {Name} is gone; making it anew");
        await CreateAsync(cancellation);
    }

    /// <inheritdoc/>
    public Task MakeRoomAsync(CancellationToken cancellation) => ScaleDownAsync(cancellation);

    /// <inheritdoc/>
    public async Task<bool> IsRoomComingAsync(CancellationToken cancellation)
    {
        if (_scaledDownAt is not { } since)
            return false;
        if (_goneAt is null && Environment.TickCount64 - since < (_original!.GracePeriod + EndingAllowance).TotalMilliseconds && await HasPodsAsync(cancellation))
            return true;
        _goneAt ??= Environment.TickCount64;
        return Environment.TickCount64 - _goneAt < SettlingAllowance.TotalMilliseconds;
    }

    /// <inheritdoc/>
    public Task TakeOverAsync(CancellationToken cancellation) => ScaleDownAsync(cancellation);

    /// <inheritdoc/>
    public Task<string> KeepAsync(CancellationToken cancellation) => _keeper.RunAsync(beatOn: Name, held: asked.Name, cancellation);

    /// <inheritdoc/>
    public void BeatSoon() => _keeper.BeatSoon();

    private async Task CreateAsync(CancellationToken cancellation)
    {
        StandIn copy = Describe(_original!, context.NewHold(Session));
        JsonObject item = copy.ToObject(_original!);
        Port = copy.Port;
        foreach (string note in copy.Notes)
            context.Tell(note);
        Task<JsonObject> creating = context.Client.SendAsync(KubeRequest.CreateDeployment(Namespace), item, KubeJson.Default.JsonObject, CancellationToken.None);
        await _change!.FinishAsync(creating, cancellation);
        _standIn = await creating;
        _granted = false;
        _keeper.Begin();
        context.Log.Write($"deployment {Name} with image {image} in container {_container} stands in for {asked.Name} in namespace {Namespace}");

        // Before the original is touched there is somebody in the cluster who can bring it back.
        await GrantAsync(cancellation);
        if (StandIn.CannotCoexist(_original!))
            await ScaleDownAsync(cancellation);
    }

    private StandIn Describe(DeploymentView original, Hold hold)
    {
        StandIn copy = new()
        {
            Name = Name,
            Session = Session,
            PodSession = PodSession,
            Container = _container,
            Image = image,
            KeyHash = context.KeyHash,
            Hold = hold,
            RestoreAfter = restoreAfter,
            WithSysctls = AsksForSysctls,
        };

        // What cannot be copied is refused before anything is changed.
        copy.ToObject(original);
        copy.Notes.Clear();
        return copy;
    }

    private async Task ScaleDownAsync(CancellationToken cancellation)
    {
        if (_scaledDownAt is not null)
            return;
        Task<int?> scaling = new HeldDeployment(context.Client, Namespace, asked.Name).ScaleDownAsync(Session, cancellation);
        await _change!.FinishAsync(scaling, cancellation);
        int before = await scaling
            ?? throw new UserError(ExitCode.WorkloadHeld, $"Deployment {asked.Name} in namespace {Namespace} was changed or taken by somebody else while it was being swapped; try again.");
        _scaledDownAt = Environment.TickCount64;
        context.Log.Write($"deployment {asked.Name} scaled from {before} to 0");
        if (before == 0)
            context.Tell($"Deployment {asked.Name} was scaled to 0 already, and will be again at the end.");
    }

    private async Task GrantAsync(CancellationToken cancellation)
    {
        if (_granted)
            return;
        _granted = true;
        JsonObject spec = _original!.PodSpec;
        string account = (string?)spec["serviceAccountName"] ?? (string?)spec["serviceAccount"] ?? "default";
        try
        {
            await _change!.FinishAsync(new RestoreRights(context.Client, Namespace, Name, Session).GrantAsync(asked.Name, _standIn!, account), cancellation);
        }
        catch (KubeException fault)
        {
            context.Log.Write($"the pod may not restore deployment {asked.Name} by itself, this machine will have to: {fault.Message}");
            if (!_toldOfRights)
                context.Tell($"The stand-in's pod cannot be given the right to restore Deployment {asked.Name} by itself, so only this machine brings it back at the end ({(fault.IsForbidden ? "you may not create Roles here" : fault.Message)}).");
            _toldOfRights = true;
        }
    }

    // Of the original; the stand-in's carry its labels too, and one of their own.
    private async Task<bool> HasPodsAsync(CancellationToken cancellation)
    {
        try
        {
            KubeList<Pod> pods = await context.Client.GetAsync(KubeRequest.ListPods(Namespace, _original!.PodSelector), KubeJson.Default.KubeListPod, cancellation);
            return (pods.Items ?? []).Any(static pod => pod.Metadata.Labels?.ContainsKey(ProxyDeployment.SessionLabel) != true && pod.Status?.Phase is not ("Succeeded" or "Failed"));
        }
        catch (KubeException)
        {
            // Not known; the time is limited.
            return true;
        }
    }
}
