using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Cluster;

/// <summary>A change in a cluster: what it needs to find the way there again, in this process or in another.</summary>
/// <param name="Namespace">Namespace of what is changed.</param>
/// <param name="Name">Its name.</param>
/// <param name="Context">Kubeconfig context of the cluster.</param>
/// <param name="Server">URL of its API server. The undo goes to that one or nowhere: by then the context may lead elsewhere.</param>
/// <param name="Kubeconfig">Kubeconfig file, or null for kubectl's own choice.</param>
public abstract record ClusterChange(string Namespace, string Name, string Context, string Server, string? Kubeconfig) : Change
{
    private bool _refused;
    private Task _making = Task.CompletedTask;

    /// <summary>What <c>KUBECONFIG</c> said when no file was given, or null.</summary>
    public string? KubeconfigVariable { get; init; }

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
            await FinishAsync(MakeAsync(Client, cancellation), cancellation);
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

        // What is still on its way to the server would be carried out behind the undo.
        await _making.WaitAsync(cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellation.ThrowIfCancellationRequested();
        if (Client is not null)
        {
            await UndoWithAsync(Client, cancellation);
            return;
        }

        DirectoryInfo directory = Directory.CreateTempSubdirectory("telepresence-");
        try
        {
            InvokingUser user = KubeTarget.WithVariable(InvokingUser.Resolve(), KubeconfigVariable);
            (await KubeTarget.ResolveAsync(user, Kubeconfig, Context, Namespace, cancellation)).CheckLeadsTo(Server);
            await using KubectlProxy proxy = await KubectlProxy.StartAsync(user, Kubeconfig, Context, directory.FullName, cancellation);
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

    /// <summary>
    /// Waits for a request that is a part of this change. One that is given up may still be carried out; so the undo waits for its end.
    /// </summary>
    /// <param name="making">A request that was sent without a token.</param>
    /// <param name="cancellation">Stops waiting.</param>
    internal async Task FinishAsync(Task making, CancellationToken cancellation)
    {
        _making = Task.WhenAll(_making, making);
        await making.WaitAsync(cancellation);
    }

    /// <summary>Deletes an object if it is there and a session's; another of the same name is spared.</summary>
    /// <param name="client">The API server.</param>
    /// <param name="get">Reads it.</param>
    /// <param name="delete">Deletes it.</param>
    /// <param name="session">What its session label must say.</param>
    /// <param name="component">What its component label must say, or null for anything.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <exception cref="KubeException">The API server refuses.</exception>
    internal static async Task DeleteOwnAsync(KubeClient client, KubeRequest get, KubeRequest delete, string session, string? component, CancellationToken cancellation)
    {
        JsonObject item;
        try
        {
            item = await client.GetAsync(get, KubeJson.Default.JsonObject, cancellation);
        }
        catch (KubeException fault) when (fault.IsNotFound)
        {
            return;
        }

        JsonNode? labels = item["metadata"]?["labels"];
        if ((string?)labels?[ProxyDeployment.SessionLabel] == session && (component is null || (string?)labels[ProxyDeployment.ComponentLabel] == component))
            await client.DeleteAsync(delete, (string?)item["metadata"]!["uid"], cancellation);
    }

    /// <summary>Makes the change. A <see cref="UserError"/> says that nothing was changed. Writing requests are sent without a token.</summary>
    private protected abstract Task MakeAsync(KubeClient client, CancellationToken cancellation);

    /// <summary>Takes it back.</summary>
    private protected abstract Task TakeBackAsync(KubeClient client, CancellationToken cancellation);

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
