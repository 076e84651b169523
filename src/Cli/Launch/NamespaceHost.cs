using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Cli.Launch;

/// <summary>Runs the user's command in namespaces of its own.</summary>
/// <param name="holder">Holds them.</param>
internal sealed class NamespaceHost(HolderClient holder) : ITreeHost
{
    private readonly Lock _lock = new();
    private readonly List<int> _early = [];
    private LaunchedCommand? _command;
    private bool _over;

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
            Directory = directory,
        };
        if (!Console.IsInputRedirected)
            holder.CommandStopped = stopped => _ = holder.StopWith(stopped);
        LaunchedCommand launched = await holder.LaunchAsync(spec, CancellationToken.None);
        lock (_lock)
        {
            _command = launched;
            foreach (int signal in _early)
                holder.Signal(launched, signal);
        }

        int exitCode = await launched.Exited;
        lock (_lock)
            _over = true;
        return exitCode;
    }

    /// <inheritdoc/>
    public void Signal(int signal)
    {
        lock (_lock)
        {
            if (_command is null)
                _early.Add(signal);
            else if (!_over)
                holder.Signal(_command, signal);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => holder.DisposeAsync();

    private static async Task<string> WatchAsync(HolderClient holder)
    {
        await holder.Lost;
        return "The process that holds the namespaces ended unexpectedly.";
    }
}
