using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>The proxy's own Deployment, as <c>connect</c> makes it: a name that nobody else has, a new one whenever it is made anew.</summary>
/// <param name="client">The API server.</param>
/// <param name="journal">Where the Deployment is noted before it is made.</param>
/// <param name="target">Cluster and namespace.</param>
/// <param name="template">The Deployment without its name.</param>
/// <param name="log">The daemon's log.</param>
internal sealed class ConnectWorkload(KubeClient client, Journal journal, KubeTarget target, ProxyDeployment template, FileLog log) : IProxyWorkload
{
    private ProxyDeployment? _made;
    private DeploymentChange? _change;

    /// <inheritdoc/>
    public string Namespace => Deployment.Namespace;

    /// <inheritdoc/>
    public string Name => Deployment.Name;

    /// <inheritdoc/>
    public string PodSelector => Deployment.PodSelector;

    /// <inheritdoc/>
    public string Container => ProxyDeployment.ContainerName;

    /// <inheritdoc/>
    public string Image => template.Image;

    /// <inheritdoc/>
    public int Port => ProxyDeployment.Port;

    /// <inheritdoc/>
    public bool AsksForSysctls => Deployment.WithSysctls;

    /// <inheritdoc/>
    public TimeSpan StartLimit => ProxyDeployment.StartLimit;

    private ProxyDeployment Deployment => _made ?? template;

    /// <inheritdoc/>
    public bool Accepts(Pod pod) => true;

    /// <inheritdoc/>
    public Task MakeAsync(CancellationToken cancellation) => CreateAsync(withSysctls: true, cancellation);

    /// <inheritdoc/>
    public async Task MakeWithoutSysctlsAsync(CancellationToken cancellation)
    {
        await RemoveAsync(cancellation);
        await CreateAsync(withSysctls: false, cancellation);
    }

    /// <inheritdoc/>
    public async Task RemakeAsync(CancellationToken cancellation)
    {
        try
        {
            await client.GetAsync(KubeRequest.GetDeployment(Namespace, Name), KubeJson.Default.Deployment, cancellation);
        }
        catch (KubeException fault) when (fault.IsNotFound)
        {
            log.Write($"deployment {Name} is gone; making it anew");
            await RemoveAsync(cancellation);
            await CreateAsync(AsksForSysctls, cancellation);
        }
    }

    /// <inheritdoc/>
    public Task MakeRoomAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task TakeOverAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task<string> KeepAsync(CancellationToken cancellation)
    {
        await Task.Delay(Timeout.Infinite, cancellation);
        return "";
    }

    private async Task CreateAsync(bool withSysctls, CancellationToken cancellation)
    {
        _made = template with { Name = ProxyDeployment.NewName(), WithSysctls = withSysctls };
        _change = new DeploymentChange(target.Namespace, Name, target.Context, target.Server, target.Kubeconfig) { KubeconfigVariable = target.Variable, Client = client, Object = Deployment.ToObject() };
        await journal.ApplyAsync(_change, cancellation);
        log.Write($"deployment {Name} with image {Image} made in namespace {Namespace}");
    }

    private async Task RemoveAsync(CancellationToken cancellation)
    {
        if (_change is { } change)
            await journal.UndoAsync(change, cancellation);
        _change = null;
    }
}
