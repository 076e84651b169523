using System.Text.Json.Serialization;

namespace Telepresence.Cli.Cluster;

/// <summary>The proxy's Deployment in the cluster; the undo deletes it.</summary>
/// <param name="Namespace">Namespace.</param>
/// <param name="Name">Name.</param>
/// <param name="Context">Kubeconfig context of the cluster.</param>
/// <param name="Server">URL of its API server.</param>
/// <param name="Kubeconfig">Kubeconfig file, or null for kubectl's own choice.</param>
public sealed record DeploymentChange(string Namespace, string Name, string Context, string Server, string? Kubeconfig)
    : ClusterChange(Namespace, Name, Context, Server, Kubeconfig)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override string Description => $"deployment {Name} in namespace {Namespace} of context {Context}";

    /// <summary>Where the name may be somebody else's by the time of the undo: the session label that ours has. Null for a name that is unique.</summary>
    public string? Session { get; init; }

    /// <summary>What to make.</summary>
    [JsonIgnore]
    internal Deployment? Object { get; init; }

    private protected override Task MakeAsync(KubeClient client, CancellationToken cancellation) =>
        client.SendAsync(KubeRequest.CreateDeployment(Namespace), Object!, KubeJson.Default.Deployment, CancellationToken.None);

    private protected override async Task TakeBackAsync(KubeClient client, CancellationToken cancellation)
    {
        if (Session is null)
            await client.DeleteAsync(KubeRequest.DeleteDeployment(Namespace, Name), cancellation);
        else
            await DeleteOwnAsync(client, KubeRequest.GetDeployment(Namespace, Name), KubeRequest.DeleteDeployment(Namespace, Name), Session, component: null, cancellation);
    }
}
