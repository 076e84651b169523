using System.Text.Json.Serialization;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Cluster;

/// <summary>The proxy's Deployment in the cluster; the undo deletes it.</summary>
/// <param name="Namespace">Namespace.</param>
/// <param name="Name">Name.</param>
/// <param name="Context">Kubeconfig context of the cluster.</param>
/// <param name="Server">URL of its API server, for messages.</param>
/// <param name="Kubeconfig">Kubeconfig file, or null for kubectl's own choice.</param>
public sealed record DeploymentChange(string Namespace, string Name, string Context, string Server, string? Kubeconfig) : Change
{
    private bool _refused;

    /// <inheritdoc/>
    [JsonIgnore]
    public override string Description => $"deployment {Name} in namespace {Namespace} of context {Context}";

    /// <summary>The way to the cluster while the process that made the change lives; another process opens its own.</summary>
    [JsonIgnore]
    internal KubeClient? Client { get; init; }

    /// <summary>What to make.</summary>
    [JsonIgnore]
    internal Deployment? Object { get; init; }

    /// <inheritdoc/>
    public override async Task ApplyAsync(CancellationToken cancellation)
    {
        if (Client is null || Object is null)
            throw new InvalidOperationException("A change read from a journal can only be undone.");

        // A request that is cut off may still be carried out, behind the undo. So it is let finish, if it does so soon.
        Task making = Client.SendAsync(KubeRequest.CreateDeployment(Namespace), Object, KubeJson.Default.Deployment, CancellationToken.None);
        try
        {
            await making.WaitAsync(cancellation);
        }
        catch (KubeException fault) when (fault.ChangedNothing)
        {
            _refused = true;
            throw;
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAny(making, Task.Delay(TimeSpan.FromSeconds(2), CancellationToken.None));
            throw;
        }
    }

    /// <inheritdoc/>
    public override async Task UndoAsync(CancellationToken cancellation)
    {
        if (_refused)
            return;
        if (Client is not null)
        {
            await DeleteAsync(Client, cancellation);
            return;
        }

        DirectoryInfo directory = Directory.CreateTempSubdirectory("telepresence-");
        try
        {
            await using KubectlProxy proxy = await KubectlProxy.StartAsync(InvokingUser.Resolve(), Kubeconfig, Context, directory.FullName, cancellation);
            using KubeClient client = new(() => proxy.SocketPath, Server, () => proxy.ErrorText);
            await DeleteAsync(client, cancellation);
        }
        catch (UserError error)
        {
            // kubectl or the kubeconfig is not what it was: the journal keeps the change and reports this sentence.
            throw new IOException(error.Message, error);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private async Task DeleteAsync(KubeClient client, CancellationToken cancellation)
    {
        try
        {
            await client.DeleteAsync(KubeRequest.DeleteDeployment(Namespace, Name), cancellation);
        }
        catch (KubeException fault)
        {
            throw new IOException(fault.Explanation.Message, fault);
        }
    }
}
