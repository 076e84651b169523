using System.Globalization;
using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>A new Deployment, with a Service of the same name when something is exposed; both are gone at the end.</summary>
/// <remarks>
/// What is of the same name and was left by a session of ours is deleted first. What is somebody else's is not: a Deployment that a typing
/// error deleted is a disaster.
/// </remarks>
internal sealed class NewWorkload : IProxyWorkload
{
    private const string ManagedBy = "app.kubernetes.io/managed-by", Us = "telepresence";

    private readonly WorkloadContext _context;
    private readonly WorkloadRequest _request;
    private readonly HoldKeeper _keeper;
    private ProxyDeployment _deployment;
    private DeploymentChange? _change;
    private bool _made;

    /// <summary>Prepares it.</summary>
    internal NewWorkload(WorkloadContext context, WorkloadRequest request)
    {
        _context = context;
        _request = request;
        _keeper = new HoldKeeper(context, WorkloadRequest.NewSession());
        string name = request.Name ?? ProxyDeployment.NewName();
        _deployment = new ProxyDeployment
        {
            Name = name,
            Namespace = context.Target.Namespace,
            Image = request.Image,
            KeyHash = context.KeyHash,
            Owner = context.Owner,
            Since = DateTimeOffset.UtcNow,
            Session = Session,
            Labels = new Dictionary<string, string> { ["name"] = name, ["run"] = name },
            ServiceAccount = request.ServiceAccount,
            LikeAnyPod = true,
            Ports = request.Exposed,
        };
    }

    /// <inheritdoc/>
    public string Namespace => _deployment.Namespace;

    /// <inheritdoc/>
    public string Name => _deployment.Name;

    /// <inheritdoc/>
    public string PodSelector => _deployment.PodSelector;

    /// <inheritdoc/>
    public string Container => ProxyDeployment.ContainerName;

    /// <inheritdoc/>
    public string Image => _deployment.Image;

    /// <inheritdoc/>
    public int Port => ProxyDeployment.Port;

    /// <inheritdoc/>
    public bool AsksForSysctls => _deployment.WithSysctls;

    /// <inheritdoc/>
    public TimeSpan StartLimit => ProxyDeployment.StartLimit;

    /// <inheritdoc/>
    public bool Accepts(Pod pod) => true;

    private string Session => _keeper.Session;

    /// <inheritdoc/>
    public async Task MakeAsync(CancellationToken cancellation)
    {
        if (_request.Name is not null)
            await ReplaceAsync(cancellation);
        if (_request.Exposed.Count > 0)
        {
            // First, so that the pod has its variables.
            ServiceChange service = new(Namespace, Name, _context.Target.Context, _context.Target.Server, _context.Target.Kubeconfig)
            {
                KubeconfigVariable = _context.Target.Variable,
                Client = _context.Client,
                Session = Session,
                Object = ToService(),
            };
            await _context.Journal.ApplyAsync(service, cancellation);
        }

        try
        {
            await CreateAsync(cancellation);
        }
        catch (KubeException fault) when (fault.Status == 409 && _request.Name is not null)
        {
            // Somebody made it just now; who, is on it.
            await ReplaceAsync(cancellation);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task MakeWithoutSysctlsAsync(CancellationToken cancellation)
    {
        _deployment = _deployment with { WithSysctls = false, PodSession = $"{Session}-2" };
        if (!_made)
        {
            await CreateAsync(cancellation);
            return;
        }

        await ClusterChange.DeleteOwnAsync(_context.Client, KubeRequest.GetDeployment(Namespace, Name), KubeRequest.DeleteDeployment(Namespace, Name), Session, component: null, CancellationToken.None);
        await CreateAgainAsync(cancellation);
    }

    /// <inheritdoc/>
    public async Task RemakeAsync(CancellationToken cancellation)
    {
        if (await new HeldDeployment(_context.Client, Namespace, Name).FindAsync(cancellation) is not null)
            return;
        _context.Log.Write($"deployment {Name} is gone; making it anew");
        await CreateAgainAsync(cancellation);
    }

    /// <inheritdoc/>
    public Task MakeRoomAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task TakeOverAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task<string> KeepAsync(CancellationToken cancellation) => _keeper.RunAsync(beatOn: Name, held: Name, cancellation);

    /// <inheritdoc/>
    public void BeatSoon() => _keeper.BeatSoon();

    private async Task ReplaceAsync(CancellationToken cancellation)
    {
        HeldDeployment deployment = new(_context.Client, Namespace, Name);
        JsonObject? there = await deployment.FindAsync(cancellation);
        string? dead = null;
        if (there is not null)
        {
            if (!IsOurs(there) || Hold.Of(there) is not { } hold)
                throw new UserError(ExitCode.NotOurs, $"There is a Deployment {Name} in namespace {Namespace} that telepresence did not make, and that is not deleted; choose another name for --new-deployment, or use it with --deployment or --swap-deployment.");
            if (!hold.IsStale(_context.Client.ServerTime) || await _context.Observer.LivesAsync(Name, hold, deployment.FindAsync, cancellation))
                throw hold.Refusal(Name, Namespace);
            dead = hold.Session;
        }

        JsonObject? service = await FindServiceAsync(cancellation);
        Hold? exposed = service is not null && IsOurs(service) ? Hold.Of(service) : null;
        if (service is not null && exposed is null && _request.Exposed.Count > 0)
            throw new UserError(ExitCode.NotOurs, $"There is a Service {Name} in namespace {Namespace} that telepresence did not make, and that is not deleted; choose another name for --new-deployment, or do without --expose.");

        // The Service of a session that has just begun is there before its Deployment.
        if (exposed is not null && exposed.Session != dead && !exposed.IsStale(_context.Client.ServerTime))
            throw exposed.Refusal(Name, Namespace);
        if (exposed is not null)
            await _context.Client.DeleteAsync(KubeRequest.DeleteService(Namespace, Name), UidOf(service!), cancellation);
        if (there is not null)
            await _context.Client.DeleteAsync(KubeRequest.DeleteDeployment(Namespace, Name), UidOf(there), cancellation);
    }

    private async Task<JsonObject?> FindServiceAsync(CancellationToken cancellation)
    {
        try
        {
            return await _context.Client.GetAsync(KubeRequest.GetService(Namespace, Name), KubeJson.Default.JsonObject, cancellation);
        }
        catch (KubeException fault) when (fault.IsNotFound || (fault.IsForbidden && _request.Exposed.Count == 0))
        {
            return null;
        }
    }

    private async Task CreateAsync(CancellationToken cancellation)
    {
        _change = new DeploymentChange(Namespace, Name, _context.Target.Context, _context.Target.Server, _context.Target.Kubeconfig)
        {
            KubeconfigVariable = _context.Target.Variable,
            Client = _context.Client,
            Session = Session,
            Object = ToDeployment(),
        };
        await _context.Journal.ApplyAsync(_change, cancellation);
        _made = true;
        _keeper.Begin();
        _context.Log.Write($"deployment {Name} with image {Image} made in namespace {Namespace}");
    }

    // In the journal already, by its name and session.
    private Task CreateAgainAsync(CancellationToken cancellation) => _change!.FinishAsync(
        _context.Client.SendAsync(KubeRequest.CreateDeployment(Namespace), ToDeployment(), KubeJson.Default.Deployment, CancellationToken.None), cancellation);

    private Deployment ToDeployment()
    {
        Deployment made = _deployment.ToObject();
        foreach ((string key, string value) in _context.NewHold(Session).ToAnnotations())
            made.Metadata.Annotations![key] = value;
        return made;
    }

    private Service ToService() => new()
    {
        Metadata = new ObjectMeta { Name = Name, Namespace = Namespace, Labels = _deployment.ToObject().Metadata.Labels, Annotations = _context.NewHold(Session).ToAnnotations() },
        Spec = new ServiceSpec
        {
            Selector = new() { ["run"] = Name, [ManagedBy] = Us },
            Ports = [.. _request.Exposed.Select(static port => new ServicePort(port.Number) { Name = string.Create(CultureInfo.InvariantCulture, $"{port.Protocol.ToLowerInvariant()}-{port.Number}"), Protocol = port.Protocol })],
        },
    };

    private static string? UidOf(JsonObject item) => (string?)item["metadata"]!["uid"];

    private static bool IsOurs(JsonObject item) => (string?)item["metadata"]!["labels"]?[ManagedBy] == Us;
}
