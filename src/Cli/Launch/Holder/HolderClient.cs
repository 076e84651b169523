using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>What a <see cref="HolderClient"/> is to start.</summary>
internal sealed record HolderOptions
{
    /// <summary>Whether the tree gets a network namespace; without, only a mount namespace (for volumes at their real paths).</summary>
    public bool Network { get; init; } = true;

    /// <summary>The environment of the tools and of the holder itself; where sudo has started this process they get none of it.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Is told, for a log, what the holder has to say.</summary>
    public Action<string>? Log { get; init; }
}

/// <summary>A command that the holder has started.</summary>
/// <param name="Id">Its process id.</param>
/// <param name="Name">Its name between session and holder.</param>
/// <param name="Exited">Ends with its exit status as shells have it; fails with a <see cref="UserError"/> when the holder is lost first.</param>
internal sealed record LaunchedCommand(int Id, string Name, Task<int> Exited);

/// <summary>The session's end of the holder of the tree's namespaces.</summary>
/// <remarks>
/// The holder ends the tree when this process ends. Should the holder be killed first, this end notices at once
/// (<see cref="Lost"/>) and ends the tree itself.
/// </remarks>
internal sealed class HolderClient : IAsyncDisposable
{
    private const int SIGCONT = 18, SIGSTOP = 19;

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20), EndLimit = TimeSpan.FromSeconds(8), StopDelay = TimeSpan.FromMilliseconds(100);

    private readonly HolderOptions _options;
    private readonly HolderStart _start;
    private readonly DaemonChannel _channel;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, TaskCompletionSource<int>> _commands = new();
    private readonly Task _ended;
    private string? _namespace;
    private volatile bool _ending;
    private int _lastCommand;

    private HolderClient(HolderOptions options, HolderStart start)
    {
        _options = options;
        _start = start;
        _channel = new DaemonChannel(start.Channel, takesDescriptors: true, HandleAsync, fault => options.Log?.Invoke($"bug while talking to the holder: {fault}"));
        _channel.Start();
        _ended = WatchAsync();
    }

    /// <summary>The holder's process id, for those who want to enter its namespaces.</summary>
    internal int Id => _start.Process.Id;

    /// <summary>Whether the namespaces belong to a user namespace: who enters it must be its owner. Else root alone can enter.</summary>
    internal bool Rootless => _start.Rootless;

    /// <summary>Whether there is a network namespace.</summary>
    internal bool HasNetwork => _options.Network;

    /// <summary>Ends at once when the holder is gone although nobody asked it to end.</summary>
    internal Task Lost => _lost.Task;

    /// <summary>Ends when the holder is gone and with it the tree.</summary>
    internal Task Ended => _ended;

    /// <summary>
    /// Is told that a command has been stopped, by itself or by Ctrl-Z (any thread). A session with a terminal then stops itself
    /// (<see cref="StopWith"/>): whoever started it waits for it, not for the command.
    /// </summary>
    internal Action<LaunchedCommand>? CommandStopped { get; set; }

    /// <summary>Makes namespaces and a holder in them: as root plain ones, else, or where root may not, in a user namespace.</summary>
    /// <exception cref="UserError">It is not possible here; the sentence says why and what to do.</exception>
    internal static async Task<HolderClient> StartAsync(HolderOptions options, CancellationToken cancellation)
    {
        if (Posix.geteuid() != 0)
            return await StartAsync(options, rootless: true, cancellation);
        try
        {
            return await StartAsync(options, rootless: false, cancellation);
        }
        catch (UserError error) when (error.ExitCode == ExitCode.NoNamespace && HolderUser.Of(InvokingUser.Resolve()) is null)
        {
            // Root in a container without rights may still be allowed what everybody is allowed; but not to become another user there.
            try
            {
                return await StartAsync(options, rootless: true, cancellation);
            }
            catch (UserError)
            {
                throw error;
            }
        }
    }

    /// <summary>Makes the network of the namespace.</summary>
    /// <exception cref="UserError">It could not be made.</exception>
    internal async Task<NamespaceNetwork> ConfigureAsync(NamespaceSpec spec, CancellationToken cancellation)
    {
        Message answer = await CallAsync(new Message { Kind = MessageKind.Configure, Text = JsonSerializer.Serialize(spec, HolderJson.Default.NamespaceSpec) }, cancellation);
        NamespaceReport report = HolderJson.Read(answer.Text, HolderJson.Default.NamespaceReport);
        return new NamespaceNetwork(report, answer.Descriptors);
    }

    /// <summary>Starts a command inside, with this process's terminal.</summary>
    /// <exception cref="UserError">There is no such program (127), it may not be executed (126), or the holder is gone.</exception>
    internal async Task<LaunchedCommand> LaunchAsync(LaunchSpec spec, CancellationToken cancellation)
    {
        string name = Interlocked.Increment(ref _lastCommand).ToString(CultureInfo.InvariantCulture);
        TaskCompletionSource<int> exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _commands[name] = exited;
        try
        {
            using FileDescriptor file = MemoryFile.Write(spec, HolderJson.Default.LaunchSpec);
            Message answer = await CallAsync(new Message { Kind = MessageKind.Launch, Text = name, Descriptors = [file] }, cancellation);
            return new LaunchedCommand(answer.Code!.Value, name, exited.Task);
        }
        catch
        {
            _commands.TryRemove(name, out _);
            throw;
        }
    }

    /// <summary>Sends a signal to a command: to its first process, not to what it has started. What the terminal's keys send must not be sent again.</summary>
    internal void Signal(LaunchedCommand command, int signal) =>
        _channel.Post(new Message { Kind = MessageKind.Signal, Text = command.Name, Code = signal });

    /// <summary>
    /// Stops this process until somebody continues it, then continues the command. Without effect when the command runs already: Ctrl-Z
    /// stops everything in the terminal's foreground, and <c>fg</c> continues it.
    /// </summary>
    internal async Task StopWith(LaunchedCommand command)
    {
        await Task.Delay(StopDelay);
        if (!TreeProcesses.IsStopped(command.Id))
            return;

        // The stop may reach another thread first, so that this one runs on for a while: what tells of the end is the signal that continues.
        TaskCompletionSource continued = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using PosixSignalRegistration registration = PosixSignalRegistration.Create(PosixSignal.SIGCONT, context =>
        {
            context.Cancel = true; // else the runtime puts its own terminal settings in place of the command's
            continued.TrySetResult();
        });
        _ = Posix.kill(Environment.ProcessId, SIGSTOP);
        await continued.Task;
        Signal(command, SIGCONT);
    }

    /// <summary>Asks the holder about volumes; see <see cref="VolumeMessages"/>.</summary>
    /// <exception cref="UserError">It could not be done, or the holder is gone.</exception>
    internal Task<Message> CallVolumesAsync(Message question, CancellationToken cancellation) =>
        CallAsync(question with { Kind = MessageKind.Volumes }, cancellation);

    /// <summary>Ends every process of the tree, the holder, and with it namespaces and mounts.</summary>
    internal async Task EndAsync()
    {
        _ending = true;
        using CancellationTokenSource limit = new(EndLimit);
        try
        {
            await _channel.CallAsync(new Message { Kind = MessageKind.Stop }, limit.Token);
        }
        catch (Exception fault) when (fault is UserError or OperationCanceledException)
        {
            // It is gone, or stopped by somebody: then what is in the namespaces is ended from here.
        }

        _channel.Dispose();
        await _ended;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _start.Dispose();
    }

    private static async Task<HolderClient> StartAsync(HolderOptions options, bool rootless, CancellationToken cancellation)
    {
        HolderStart start;
        try
        {
            start = HolderStart.Begin(options, rootless);
        }
        catch (IOException fault)
        {
            throw new UserError(ExitCode.NoNamespace, $"The holder of the namespace could not be started: {fault.Message.TrimEnd('.')}.", fault);
        }

        HolderClient client = new(options, start);
        try
        {
            await Task.WhenAny(client._ready.Task, client._channel.Closed).WaitAsync(StartLimit, cancellation);
            if (client._ready.Task.IsCompleted)
            {
                client._namespace = TreeProcesses.NamespaceOf(client.Id.ToString(CultureInfo.InvariantCulture), options.Network);
                return client;
            }

            string complaints = await start.ReadComplaintsAsync(cancellation);
            throw complaints.Contains("unshare", StringComparison.Ordinal)
                ? HolderFailure.Explain(complaints, rootless, KernelLimits.Read())
                : new UserError(ExitCode.Internal, $"The holder of the namespace ended at its start{(complaints.Length > 0 ? $": {complaints.Trim().Split('\n')[0]}" : "")}; please report it.");
        }
        catch (TimeoutException)
        {
            await client.DisposeAsync();
            throw new UserError(ExitCode.NoNamespace, "The holder of the namespace did not start in time; is this machine very busy?");
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    private async Task<Message> CallAsync(Message question, CancellationToken cancellation)
    {
        try
        {
            return await _channel.CallAsync(question, cancellation);
        }
        catch (UserError error) when (error.ExitCode == ExitCode.DaemonLost)
        {
            throw Gone();
        }
    }

    private Task<Message?> HandleAsync(Message message)
    {
        switch (message.Kind)
        {
            case MessageKind.Ready:
                _ready.TrySetResult();
                break;
            case MessageKind.Exited:
                if (_commands.TryRemove(message.Text!, out TaskCompletionSource<int>? ended))
                    ended.TrySetResult(message.Code!.Value);
                break;
            case MessageKind.Signal:
                if (_commands.TryGetValue(message.Text!, out TaskCompletionSource<int>? stopped) && message.Code is { } id)
                    CommandStopped?.Invoke(new LaunchedCommand(id, message.Text!, stopped.Task));
                break;
            case MessageKind.Progress:
                _options.Log?.Invoke(message.Text ?? "");
                break;
            default:
                throw new IOException($"a holder does not send {message.Kind}");
        }

        return Task.FromResult<Message?>(null);
    }

    private async Task WatchAsync()
    {
        await _channel.Closed;
        if (!_ending)
            _lost.TrySetResult();
        foreach (string name in _commands.Keys)
        {
            if (_commands.TryRemove(name, out TaskCompletionSource<int>? running))
            {
                running.TrySetException(Gone());
                _ = running.Task.Exception; // nobody may be waiting for it
            }
        }

        // A holder that was killed has left its tree; one that somebody has stopped cannot end it.
        if (_namespace is { } left && !await TreeProcesses.EndAsync(left, Id))
            _options.Log?.Invoke("some processes of the tree could not be ended");
        await ((Task)_start.Process.Exited).WaitAsync(EndLimit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static UserError Gone() => new(ExitCode.DaemonLost, "The process that holds the namespace ended unexpectedly.");
}
