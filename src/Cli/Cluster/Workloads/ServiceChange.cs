using System.Text.Json.Serialization;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>The Service of a new Deployment; the undo deletes it.</summary>
/// <param name="Namespace">Namespace.</param>
/// <param name="Name">Name.</param>
/// <param name="Context">Kubeconfig context of the cluster.</param>
/// <param name="Server">URL of its API server.</param>
/// <param name="Kubeconfig">Kubeconfig file, or null for kubectl's own choice.</param>
public sealed record ServiceChange(string Namespace, string Name, string Context, string Server, string? Kubeconfig)
    : ClusterChange(Namespace, Name, Context, Server, Kubeconfig)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override string Description => $"service {Name} in namespace {Namespace} of context {Context}";

    /// <summary>The session label that ours has; the name may be somebody else's by the time of the undo.</summary>
    public required string Session { get; init; }

    /// <summary>What to make.</summary>
    [JsonIgnore]
    internal Service? Object { get; init; }

    private protected override Task MakeAsync(KubeClient client, CancellationToken cancellation) =>
        client.SendAsync(KubeRequest.CreateService(Namespace), Object!, KubeJson.Default.Service, CancellationToken.None);

    private protected override Task TakeBackAsync(KubeClient client, CancellationToken cancellation) =>
        DeleteOwnAsync(client, KubeRequest.GetService(Namespace, Name), KubeRequest.DeleteService(Namespace, Name), Session, component: null, cancellation);
}
