using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Cluster;

/// <summary>A change in a cluster: what it needs to find the way there again, in this process or in another.</summary>
/// <param name="Namespace">Namespace of what is changed.</param>
/// <param name="Name">Its name.</param>
/// <param name="Context">Kubeconfig context of the cluster.</param>
/// <param name="Server">URL of its API server, for messages.</param>
/// <param name="Kubeconfig">Kubeconfig file, or null for kubectl's own choice.</param>
public abstract record ClusterChange(string Namespace, string Name, string Context, string Server, string? Kubeconfig) : Change
{
    private bool _refused;

    /// <summary>The way to the cluster while the process that made the change lives; another process opens its own.</summary>
    [JsonIgnore]
    internal KubeClient? Client { get; init; }

    /// <inheritdoc/>
    public sealed override async Task ApplyAsync(CancellationToken cancellation)
    {
        if (Client is null)
            throw new InvalidOperationException("A change read from a journal can only be undone.");
        try
        {
            await LetFinishAsync(MakeAsync(Client, cancellation), cancellation);
        }
        catch (KubeException fault) when (fault.ChangedNothing)
        {
            _refused = true;
            throw;
        }
        catch (UserError)
        {
            _refused = true;
            throw;
        }
    }

    /// <inheritdoc/>
    public sealed override async Task UndoAsync(CancellationToken cancellation)
    {
        if (_refused)
            return;
        if (Client is not null)
        {
            await UndoWithAsync(Client, cancellation);
            return;
        }

        DirectoryInfo directory = Directory.CreateTempSubdirectory("telepresence-");
        try
        {
            await using KubectlProxy proxy = await KubectlProxy.StartAsync(InvokingUser.Resolve(), Kubeconfig, Context, directory.FullName, cancellation);
            using KubeClient client = new(() => proxy.SocketPath, Server, () => proxy.ErrorText);
            await UndoWithAsync(client, cancellation);
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

    /// <summary>Waits for a request. One that is cut off may still be carried out, behind the undo; so it is let finish, if it does so soon.</summary>
    internal static async Task LetFinishAsync(Task making, CancellationToken cancellation)
    {
        try
        {
            await making.WaitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAny(making, Task.Delay(TimeSpan.FromSeconds(2), CancellationToken.None));
            throw;
        }
    }

    /// <summary>Makes the change. A <see cref="UserError"/> says that nothing was changed. Writing requests are sent without a token.</summary>
    private protected abstract Task MakeAsync(KubeClient client, CancellationToken cancellation);

    /// <summary>Takes it back.</summary>
    private protected abstract Task TakeBackAsync(KubeClient client, CancellationToken cancellation);

    /// <summary>Whether an object is there and carries a session's label.</summary>
    private protected static async Task<bool> IsOfSessionAsync(KubeClient client, KubeRequest get, string session, CancellationToken cancellation)
    {
        try
        {
            JsonObject item = await client.GetAsync(get, KubeJson.Default.JsonObject, cancellation);
            return (string?)item["metadata"]?["labels"]?[ProxyDeployment.SessionLabel] == session;
        }
        catch (KubeException fault) when (fault.IsNotFound)
        {
            return false;
        }
    }

    private async Task UndoWithAsync(KubeClient client, CancellationToken cancellation)
    {
        try
        {
            await TakeBackAsync(client, cancellation);
        }
        catch (KubeException fault)
        {
            throw new IOException(fault.Explanation.Message, fault);
        }
    }
}
