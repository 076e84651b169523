using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// A Deployment that is swapped for the time of a session: it keeps its spec and is scaled to 0, a copy with the proxy stands in.
/// </summary>
/// <remarks>
/// The original is scaled down when the stand-in's pod runs, so that a stand-in that cannot start costs nobody their service; sooner where
/// the two cannot run side by side, or where the original's pods stand in its way.
/// </remarks>
/// <param name="context">What every way needs.</param>
/// <param name="asked">Name and perhaps container.</param>
/// <param name="image">The proxy's image.</param>
/// <param name="restoreAfter">After how long without a client the pod restores.</param>
internal sealed class SwappedWorkload(WorkloadContext context, WorkloadName asked, string image, TimeSpan restoreAfter) : IProxyWorkload
{
    private readonly string _session = WorkloadRequest.NewSession();
    private DeploymentView? _original;
    private JsonObject? _standIn;
    private string _container = asked.Container ?? "";
    private bool _scaledDown, _granted;

    /// <inheritdoc/>
    public string Namespace => context.Target.Namespace;

    /// <inheritdoc/>
    public string Name => StandIn.NameFor(asked.Name, _session);

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
    public TimeSpan StartLimit => ProxyDeployment.StartLimit;

    /// <inheritdoc/>
    public bool Accepts(Pod pod) => true;

    private string PodSession => AsksForSysctls ? _session : $"{_session}-2";

    /// <inheritdoc/>
    public async Task MakeAsync(CancellationToken cancellation)
    {
        DeploymentView original = await DeploymentView.FindAsync(context.Client, Namespace, asked.Name, cancellation);
        _container = original.ChooseContainer(asked.Container, out string? note);
        if (note is not null)
            context.Tell(note);
        HoldChange change = new(Namespace, asked.Name, _session, Name, context.Target.Context, context.Target.Server, context.Target.Kubeconfig)
        {
            Client = context.Client,
            Hold = context.NewHold(_session) with { Heard = null, StandIn = Name },
        };
        Describe(original, context.NewHold(_session));
        await context.Journal.ApplyAsync(change, cancellation);

        // Read again: what the hold was taken on is what is copied.
        _original = await DeploymentView.FindAsync(context.Client, Namespace, asked.Name, cancellation);
        await CreateAsync(cancellation);
        if (StandIn.CannotCoexist(_original))
            await ScaleDownAsync(cancellation);
    }

    /// <inheritdoc/>
    public async Task MakeWithoutSysctlsAsync(CancellationToken cancellation)
    {
        AsksForSysctls = false;
        if (_standIn is not null)
            await context.Client.DeleteAsync(KubeRequest.DeleteDeployment(Namespace, Name), CancellationToken.None);
        await CreateAsync(cancellation);
    }

    /// <inheritdoc/>
    public async Task RemakeAsync(CancellationToken cancellation)
    {
        if (await new HoldKeeper(context, _session).LookAsync(asked.Name, swapped: true, cancellation) is { } lost)
            throw new UserError(ExitCode.WorkloadHeld, lost);
        if (await new HeldDeployment(context.Client, Namespace, Name).FindAsync(cancellation) is not null)
            return;
        context.Log.Write($"deployment {Name} is gone; making it anew");
        _granted = false;
        await CreateAsync(cancellation);
    }

    /// <inheritdoc/>
    public Task MakeRoomAsync(CancellationToken cancellation) => ScaleDownAsync(cancellation);

    /// <inheritdoc/>
    public async Task TakeOverAsync(CancellationToken cancellation)
    {
        await GrantAsync(cancellation);
        await ScaleDownAsync(cancellation);
    }

    /// <inheritdoc/>
    public Task<string> KeepAsync(CancellationToken cancellation) => new HoldKeeper(context, _session).RunAsync(beatOn: Name, held: asked.Name, cancellation);

    private async Task CreateAsync(CancellationToken cancellation)
    {
        StandIn copy = Describe(_original!, context.NewHold(_session));
        JsonObject item = copy.ToObject(_original!);
        Port = copy.Port;
        foreach (string note in copy.Notes)
            context.Tell(note);
        Task<JsonObject> creating = context.Client.SendAsync(KubeRequest.CreateDeployment(Namespace), item, KubeJson.Default.JsonObject, CancellationToken.None);
        await ClusterChange.LetFinishAsync(creating, cancellation);
        _standIn = await creating;
        context.Log.Write($"deployment {Name} with image {image} in container {_container} stands in for {asked.Name} in namespace {Namespace}");
    }

    private StandIn Describe(DeploymentView original, Hold hold)
    {
        StandIn copy = new()
        {
            Name = Name,
            Session = _session,
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
        if (_scaledDown)
            return;
        int before = await new HeldDeployment(context.Client, Namespace, asked.Name).ScaleDownAsync(_session, cancellation)
            ?? throw new UserError(ExitCode.WorkloadHeld, $"Deployment {asked.Name} in namespace {Namespace} was changed or taken by somebody else while it was being swapped; try again.");
        _scaledDown = true;
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
            await new RestoreRights(context.Client, Namespace, Name).GrantAsync(asked.Name, _standIn!, account, cancellation);
        }
        catch (KubeException fault)
        {
            context.Log.Write($"the pod may not restore deployment {asked.Name} by itself, this machine will have to: {fault.Message}");
        }
    }
}
