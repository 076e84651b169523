using System.Text.Json.Serialization;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// A Deployment is held, and perhaps swapped; the undo brings back its replicas, removes the annotations and the stand-in.
/// </summary>
/// <remarks>
/// One change for all that a swap makes, because its parts must be taken back together: what to restore stands on the Deployment itself,
/// and whoever restores it (this process, the guardian, the pod, the next session) finds nothing left to do when another was faster.
/// </remarks>
/// <param name="Namespace">Namespace.</param>
/// <param name="Name">Name of the Deployment that is held.</param>
/// <param name="Session">The holder's session.</param>
/// <param name="StandIn">Name of the Deployment that stands in for it, or null.</param>
/// <param name="Context">Kubeconfig context of the cluster.</param>
/// <param name="Server">URL of its API server.</param>
/// <param name="Kubeconfig">Kubeconfig file, or null for kubectl's own choice.</param>
public sealed record HoldChange(string Namespace, string Name, string Session, string? StandIn, string Context, string Server, string? Kubeconfig)
    : ClusterChange(Namespace, Name, Context, Server, Kubeconfig)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override string Description => StandIn is null
        ? $"hold of deployment {Name} in namespace {Namespace} of context {Context}"
        : $"swap of deployment {Name} in namespace {Namespace} of context {Context}";

    /// <summary>What to write.</summary>
    [JsonIgnore]
    internal Hold? Hold { get; init; }

    /// <summary>Watches a holder that looks dead.</summary>
    [JsonIgnore]
    internal HoldObserver? Observer { get; init; }

    private protected override Task MakeAsync(KubeClient client, CancellationToken cancellation) =>
        new HeldDeployment(client, Namespace, Name).TakeAsync(Hold!, Observer!, cancellation);

    private protected override async Task TakeBackAsync(KubeClient client, CancellationToken cancellation)
    {
        HeldDeployment held = new(client, Namespace, Name);
        await held.RestoreAsync(Session, cancellation);
        await held.RemoveStandInAsync(StandIn, Session, cancellation);
    }
}
