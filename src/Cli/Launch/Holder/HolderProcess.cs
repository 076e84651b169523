using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text.Json;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Volumes;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// The process that holds the tree's namespaces: <c>telepresence daemon-namespace</c>, started through unshare(1). It makes the network
/// and the mounts in there, and starts the user's command.
/// </summary>
/// <remarks>
/// It has rights over its namespaces and over nothing else (or is root), and does little with them. It is in the terminal's foreground
/// process group like the session, so it leaves the keyboard's signals to those whom they are meant for. When the channel to the session
/// ends, for whatever reason, it ends every process of the tree, and with itself the namespaces and mounts.
/// </remarks>
internal sealed class HolderProcess : IAsyncDisposable
{
    /// <summary>The argument that says that there is no network namespace.</summary>
    internal const string MountsOnly = "--mounts-only";

    private static readonly PosixSignal[] NotForUs =
    [
        PosixSignal.SIGHUP, PosixSignal.SIGINT, PosixSignal.SIGQUIT, PosixSignal.SIGTERM, PosixSignal.SIGTSTP, PosixSignal.SIGTTIN, PosixSignal.SIGTTOU,

        // When continued, the runtime would put the terminal's settings of its own start in place of the command's.
        PosixSignal.SIGCONT,
    ];

    private readonly ConcurrentDictionary<string, ChildProcess> _commands = new();
    private readonly Orphans _orphans = Orphans.Adopt();
    private readonly HolderUser? _user;
    private readonly string _namespace;
    private readonly DaemonChannel _channel;

    // Two that mount at a time would hide each other's mounts.
    private readonly SemaphoreSlim _mounting = new(1);
    private readonly VolumeMounter _mounter;
    private readonly VolumeMessages _volumes;
    private readonly TaskCompletionSource _stopping = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HolderProcess(int channel, bool network, HolderUser? user)
    {
        _user = user;
        _namespace = TreeProcesses.NamespaceOf("self", network) ?? throw new IOException("/proc is not mounted");
        _mounter = new VolumeMounter(_mounting, user);
        _volumes = new VolumeMessages(_mounter);
        _channel = new DaemonChannel(new DescriptorSocket(new FileDescriptor(channel)), takesDescriptors: true, HandleAsync, fault => Tell($"bug in the holder of the namespace: {fault}"));
    }

    /// <summary>Runs it.</summary>
    /// <param name="channel">Descriptor of the channel to the session.</param>
    /// <param name="error">Descriptor of the terminal's standard error; up to here, ours was for unshare's complaints.</param>
    /// <param name="rest">What else was given: whether there is no network namespace, and for whom root does this.</param>
    internal static async Task<int> RunAsync(int channel, int error, IReadOnlyList<string> rest)
    {
        Posix.SetInheritable(channel, inheritable: false);
        Posix.MoveDescriptor(error, 2);
        List<PosixSignalRegistration> ignored = [.. NotForUs.Select(static signal => PosixSignalRegistration.Create(signal, static context => context.Cancel = true))];
        await using HolderProcess holder = new(channel, network: !rest.Contains(MountsOnly), HolderUser.Parse(rest));
        holder._channel.Start();
        holder._channel.Post(new Message { Kind = MessageKind.Ready });
        await Task.WhenAny(holder._channel.Closed, holder._stopping.Task);
        await TreeProcesses.EndAsync(holder._namespace, Environment.ProcessId);
        ignored.ForEach(static registration => registration.Dispose());
        return ExitCode.Success;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        _orphans.Dispose();
        await _mounter.DisposeAsync();
        _mounting.Dispose();
    }

    private async Task<Message?> HandleAsync(Message message)
    {
        switch (message.Kind)
        {
            case MessageKind.Configure:
                (NamespaceReport report, IReadOnlyList<FileDescriptor> descriptors) =
                    await NamespaceOwner.ConfigureAsync(HolderJson.Read(message.Text, HolderJson.Default.NamespaceSpec), _mounting, CancellationToken.None);
                return new Message { Kind = MessageKind.Configured, Text = JsonSerializer.Serialize(report, HolderJson.Default.NamespaceReport), Descriptors = descriptors };
            case MessageKind.Launch:
                using (FileDescriptor file = message.Descriptors[0])
                    return Launch(message.Text!, MemoryFile.Read(file, HolderJson.Default.LaunchSpec));
            case MessageKind.Signal:
                if (_commands.TryGetValue(message.Text!, out ChildProcess? command))
                    _ = Posix.kill(command.Id, message.Code!.Value);
                return null;
            case MessageKind.Volumes:
                return await _volumes.HandleAsync(message);
            case MessageKind.Stop:
                await TreeProcesses.EndAsync(_namespace, Environment.ProcessId);
                _stopping.TrySetResult();
                return new Message { Kind = MessageKind.Disconnected };
            default:
                throw new IOException($"a session does not send {message.Kind}");
        }
    }

    private Message Launch(string name, LaunchSpec spec)
    {
        UserError? missing = CommandLookup.Check(spec);
        if (missing is not null)
            throw missing;
        (IReadOnlyDictionary<string, string> variables, IReadOnlyList<string> restore) = LoaderVariables.SetAside(spec.Environment, needed: _user is not null);
        IReadOnlyList<string> line = [.. HolderJoin.UserLine(_user), .. restore, .. spec.Command];

        // A directory that is this one is not looked up again: it may be covered meanwhile, or out of the user's sight.
        string? directory = spec.Directory == Environment.CurrentDirectory ? null : spec.Directory;
        ChildProcess command;
        try
        {
            command = ChildProcess.Start(line[0], line, variables, directory, id => _channel.Post(new Message { Kind = MessageKind.Signal, Text = name, Code = id }));
        }
        catch (IOException fault)
        {
            throw new UserError(ExitCode.CommandNotExecutable, $"{spec.Command[0]} could not be started: {fault.Message.TrimEnd('.')}.", fault);
        }

        _commands[name] = command;
        _ = ReportAsync(name, command);
        return new Message { Kind = MessageKind.Launch, Code = command.Id };
    }

    private async Task ReportAsync(string name, ChildProcess command)
    {
        int code;
        try
        {
            code = await command.Exited;
        }
        catch (IOException fault)
        {
            Tell($"bug in the holder of the namespace: {fault.Message}");
            code = ExitCode.Internal;
        }

        _commands.TryRemove(name, out _);
        _channel.Post(new Message { Kind = MessageKind.Exited, Text = name, Code = code });
    }

    private void Tell(string text) => _channel.Post(new Message { Kind = MessageKind.Progress, Text = text });
}
