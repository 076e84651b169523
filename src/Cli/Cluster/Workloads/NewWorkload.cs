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
    private readonly string _session = WorkloadRequest.NewSession();
    private ProxyDeployment _deployment;
    private bool _made;

    /// <summary>Prepares it.</summary>
    internal NewWorkload(WorkloadContext context, WorkloadRequest request)
    {
        _context = context;
        _request = request;
        string name = request.Name ?? ProxyDeployment.NewName();
        _deployment = new ProxyDeployment
        {
            Name = name,
            Namespace = context.Target.Namespace,
            Image = request.Image,
            KeyHash = context.KeyHash,
            Owner = context.Owner,
            Since = DateTimeOffset.UtcNow,
            Session = _session,
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

    /// <inheritdoc/>
    public async Task MakeAsync(CancellationToken cancellation)
    {
        if (_request.Name is not null)
            await ReplaceAsync(cancellation);
        if (_request.Exposed.Count > 0)
        {
            // First, so that the pod has its variables.
            ServiceChange service = new(Namespace, Name, _context.Target.Context, _context.Target.Server, _context.Target.Kubeconfig) { Client = _context.Client, Session = _session, Object = ToService() };
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
        _deployment = _deployment with { WithSysctls = false, PodSession = $"{_session}-2" };
        if (!_made)
        {
            await CreateAsync(cancellation);
            return;
        }

        await _context.Client.DeleteAsync(KubeRequest.DeleteDeployment(Namespace, Name), CancellationToken.None);
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
    public Task<string> KeepAsync(CancellationToken cancellation) => new HoldKeeper(_context, _session).RunAsync(beatOn: Name, held: Name, cancellation);

    private async Task ReplaceAsync(CancellationToken cancellation)
    {
        JsonObject? there = await new HeldDeployment(_context.Client, Namespace, Name).FindAsync(cancellation);
        if (there is not null)
        {
            if (!IsOurs(there) || Hold.Of(there) is not { } hold)
                throw new UserError(ExitCode.NotOurs, $"There is a Deployment {Name} in namespace {Namespace} that telepresence did not make, and that is not deleted; choose another name for --new-deployment, or use it with --deployment or --swap-deployment.");
            if (!hold.IsStale(_context.Client.ServerTime))
                throw hold.Refusal(Name, Namespace);
        }

        JsonObject? service = await FindServiceAsync(cancellation);
        if (service is not null && !IsOurs(service) && _request.Exposed.Count > 0)
            throw new UserError(ExitCode.NotOurs, $"There is a Service {Name} in namespace {Namespace} that telepresence did not make, and that is not deleted; choose another name for --new-deployment, or do without --expose.");
        if (service is not null && IsOurs(service))
            await _context.Client.DeleteAsync(KubeRequest.DeleteService(Namespace, Name), cancellation);
        if (there is not null)
            await _context.Client.DeleteAsync(KubeRequest.DeleteDeployment(Namespace, Name), cancellation);
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
        DeploymentChange change = new(Namespace, Name, _context.Target.Context, _context.Target.Server, _context.Target.Kubeconfig) { Client = _context.Client, Session = _session, Object = ToDeployment() };
        await _context.Journal.ApplyAsync(change, cancellation);
        _made = true;
        _context.Log.Write($"deployment {Name} with image {Image} made in namespace {Namespace}");
    }

    // In the journal already, by its name and session.
    private Task CreateAgainAsync(CancellationToken cancellation) => ClusterChange.LetFinishAsync(
        _context.Client.SendAsync(KubeRequest.CreateDeployment(Namespace), ToDeployment(), KubeJson.Default.Deployment, CancellationToken.None), cancellation);

    private Deployment ToDeployment()
    {
        Deployment made = _deployment.ToObject();
        foreach ((string key, string value) in _context.NewHold(_session).ToAnnotations())
            made.Metadata.Annotations![key] = value;
        return made;
    }

    private Service ToService() => new()
    {
        Metadata = new ObjectMeta { Name = Name, Namespace = Namespace, Labels = _deployment.ToObject().Metadata.Labels },
        Spec = new ServiceSpec
        {
            Selector = new() { ["run"] = Name, [ManagedBy] = Us },
            Ports = [.. _request.Exposed.Select(static port => new ServicePort(port.Number) { Name = string.Create(CultureInfo.InvariantCulture, $"{port.Protocol.ToLowerInvariant()}-{port.Number}"), Protocol = port.Protocol })],
        },
    };

    private static bool IsOurs(JsonObject item) => (string?)item["metadata"]!["labels"]?[ManagedBy] == Us;
}
