using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Cli.Launch;

/// <summary>Runs the user's command in namespaces of its own.</summary>
/// <param name="holder">Holds them.</param>
/// <param name="user">Whose command it is.</param>
internal sealed class NamespaceHost(HolderClient holder, InvokingUser user) : ITreeHost
{
    private volatile LaunchedCommand? _command;

    /// <summary>The holder of the namespaces.</summary>
    internal HolderClient Client => holder;

    /// <inheritdoc/>
    public Task<string> Lost { get; } = WatchAsync(holder);

    /// <inheritdoc/>
    public int? Holder => holder.Id;

    /// <inheritdoc/>
    public bool Rootless => holder.Rootless;

    /// <inheritdoc/>
    public bool HasNetwork => holder.HasNetwork;

    /// <inheritdoc/>
    public async Task<int> RunAsync(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> variables, string directory)
    {
        LaunchSpec spec = new()
        {
            Command = command,
            Environment = variables,
            Uid = user.Uid,
            Gid = user.Gid,
            Groups = UserGroups.Of(user),
        };
        LaunchedCommand launched = await holder.LaunchAsync(spec, CancellationToken.None);
        _command = launched;
        holder.CommandStopped = stopped => _ = holder.StopWith(stopped);
        int exitCode = await launched.Exited;
        _command = null;
        return exitCode;
    }

    /// <inheritdoc/>
    public void Signal(int signal)
    {
        if (_command is { } command)
            holder.Signal(command, signal);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => holder.DisposeAsync();

    private static async Task<string> WatchAsync(HolderClient holder)
    {
        await holder.Lost;
        return "The process that holds the namespaces ended unexpectedly.";
    }
}
