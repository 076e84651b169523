using System.Globalization;
using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>A Deployment that runs the proxy already. Nothing of it is changed but the annotations that say who holds it.</summary>
/// <param name="context">What every way needs.</param>
/// <param name="asked">Name and perhaps container.</param>
internal sealed class ExistingWorkload(WorkloadContext context, WorkloadName asked) : IProxyWorkload
{
    private readonly HoldKeeper _keeper = new(context, WorkloadRequest.NewSession());
    private string _selector = "", _container = "", _image = "";
    private int _port = ProxyDeployment.Port;

    /// <inheritdoc/>
    public string Namespace => context.Target.Namespace;

    /// <inheritdoc/>
    public string Name => asked.Name;

    /// <inheritdoc/>
    public string PodSelector => _selector;

    /// <inheritdoc/>
    public string Container => _container;

    /// <inheritdoc/>
    public string Image => _image;

    /// <inheritdoc/>
    public int Port => _port;

    /// <inheritdoc/>
    public bool AsksForSysctls => false;

    /// <inheritdoc/>
    public TimeSpan StartLimit => TimeSpan.FromSeconds(120);

    /// <inheritdoc/>
    public bool Accepts(Pod pod) => pod.Spec?.Containers?.Any(container => container.Name == _container && IsOurImage(container.Image)) == true;

    /// <inheritdoc/>
    public async Task MakeAsync(CancellationToken cancellation)
    {
        DeploymentView view = await ReadAsync(cancellation);
        HoldChange change = new(Namespace, Name, _keeper.Session, StandIn: null, context.Target.Context, context.Target.Server, context.Target.Kubeconfig)
        {
            KubeconfigVariable = context.Target.Variable,
            Client = context.Client,
            Hold = context.NewHold(_keeper.Session),
            Observer = context.Observer,
        };
        try
        {
            await context.Journal.ApplyAsync(change, cancellation);
        }
        catch (KubeException fault) when (fault.IsForbidden)
        {
            // The proxy itself keeps out a second client while the first one is there.
            context.Log.Write($"deployment {Name} is used without a note of it, as that is forbidden: {fault.Message}");
        }

        _keeper.Begin();
        if (view.Replicas > 1)
            context.Tell($"Deployment {Name} has {view.Replicas} replicas; one of their pods is used, and requests that reach the others find nobody. One replica is what it should have.");
        context.Log.Write($"deployment {Name}, container {_container} with image {_image}, in namespace {Namespace}");
    }

    /// <inheritdoc/>
    public Task MakeWithoutSysctlsAsync(CancellationToken cancellation) => throw new InvalidOperationException("Somebody else's pod asks for what it asks for.");

    /// <inheritdoc/>
    public Task RemakeAsync(CancellationToken cancellation) => ReadAsync(cancellation);

    /// <inheritdoc/>
    public Task MakeRoomAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task TakeOverAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task<string> KeepAsync(CancellationToken cancellation) =>
        _keeper.RunAsync(beatOn: Name, held: Name, cancellation);

    /// <inheritdoc/>
    public void BeatSoon() => _keeper.BeatSoon();

    // Admission may have put another registry in front, or a digest behind.
    private static bool IsOurImage(string image) => ImageName.Parse(image) is { IsProxy: true } name && (name.Tag is null || name.Tag == ProductVersion.Text);

    private async Task<DeploymentView> ReadAsync(CancellationToken cancellation)
    {
        DeploymentView view = await DeploymentView.FindAsync(context.Client, Namespace, Name, cancellation);
        JsonObject container = view.FindProxyContainer(asked.Container);
        if (view.Replicas == 0)
            throw new UserError(ExitCode.WorkloadMissing, $"Deployment {Name} in namespace {Namespace} has no pods, as it is scaled to 0; bring one up with kubectl scale -n {Namespace} deployment/{Name} --replicas=1.");
        if (view.PodSpec["hostNetwork"] is JsonValue shared && shared.TryGetValue(out bool onNode) && onNode && !HasKeyHash(container))
            throw new UserError(ExitCode.PodRefused, $"Deployment {Name} runs the proxy on the network of its node (hostNetwork), where every program of the node could be its client; take hostNetwork out of it, or let --swap-deployment {Name} put a proxy with a key in its place.");
        _selector = view.PodSelector;
        _container = DeploymentView.NameOf(container);
        _image = DeploymentView.ImageOf(container);
        string? port = (container["env"] as JsonArray ?? []).Where(static variable => (string?)variable!["name"] == "TELEPRESENCE_PORT").Select(static variable => (string?)variable!["value"]).FirstOrDefault();
        _port = int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : ProxyDeployment.Port;
        return view;
    }

    private static bool HasKeyHash(JsonObject container) =>
        (container["env"] as JsonArray ?? []).Any(static variable => (string?)variable!["name"] == "TELEPRESENCE_KEY_HASH");
}
