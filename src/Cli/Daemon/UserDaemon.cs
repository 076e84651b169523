using System.Runtime.InteropServices;

using Telepresence.Cli.Machine;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// The process that does everything which needs no privileges, as the invoking user: the Kubernetes API, the session, the userspace
/// stack, the resolver. The root daemon starts it, and neither outlives the other.
/// </summary>
internal sealed class UserDaemon : IAsyncDisposable
{
    private readonly InvokingUser _user = InvokingUser.Resolve();
    private readonly string _directory;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly DaemonChannel _channel;
    private FileLog _log;
    private ControlServer? _server;
    private UserConnection? _connection;
    private Task _connecting = Task.CompletedTask;
    private Task<string>? _stopped;

    private UserDaemon(int channel, string directory)
    {
        _directory = directory;
        _log = FileLog.Open(DaemonPaths.UserLog(_user), verbose: false);
        Posix.SetInheritable(channel, inheritable: false);
        _channel = new DaemonChannel(new DescriptorSocket(new FileDescriptor(channel)), takesDescriptors: true, HandleAsync, fault => _log.Write($"bug: {fault}"));
    }

    /// <summary>Runs the daemon: <c>telepresence daemon-user --channel N --directory PATH</c>.</summary>
    internal static async Task<int> RunAsync(int channel, string directory)
    {
        Posix.CloseInherited(except: channel);
        OpenFilesLimit.Raise();
        await using UserDaemon daemon = new(channel, directory);
        using Guardian guardian = Guardian.Start("daemon-user", "--undo");
        using PosixSignalRegistration terminate = daemon.On(PosixSignal.SIGTERM);
        using PosixSignalRegistration interrupt = daemon.On(PosixSignal.SIGINT);
        using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, static context => context.Cancel = true);
        daemon._server = ControlServer.Start(DaemonPaths.UserSocket(directory), daemon._user.Uid, daemon.ServeAsync, daemon._log);
        daemon._channel.Start();
        _ = daemon.WatchRootAsync();
        await daemon._over.Task;
        guardian.Release();
        return ExitCode.Success;
    }

    /// <summary>Removes what a dead user daemon left in a cluster: <c>telepresence daemon-user --undo</c>.</summary>
    internal static async Task<int> UndoAsync()
    {
        InvokingUser user = InvokingUser.Resolve();
        using FileLog log = FileLog.Open(DaemonPaths.UserLog(user), verbose: false);
        try
        {
            using Journal journal = await UserConnection.OpenJournalAsync(user, log.Write, CancellationToken.None);
            return await UserConnection.UndoLeftoversAsync(journal, log, CancellationToken.None) ? ExitCode.Success : ExitCode.ApiError;
        }
        catch (UserError error)
        {
            log.Write(error.Message);
            return error.ExitCode;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        if (_connection is not null)
            await _connection.DisposeAsync();
        _channel.Dispose();
        _log.Write("user daemon ends");
        _log.Dispose();
        _stopping.Dispose();
    }

    private PosixSignalRegistration On(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        _log.Write($"{signal}: asking the root daemon to undo everything");
        _channel.Post(new Message { Kind = MessageKind.Quit });
    });

    private async Task WatchRootAsync()
    {
        await _channel.Closed;
        _log.Write("the root daemon is gone");
        await StopAsync();
        _over.TrySetResult();
    }

    private async Task<Message?> HandleAsync(Message message)
    {
        switch (message.Kind)
        {
            case MessageKind.Connect:
                _connecting = ConnectAsync(message.Connect! with { User = _user });
                return null;
            case MessageKind.Status:
                return new Message { Kind = MessageKind.Status, Status = await GetStatusAsync() };
            case MessageKind.Changed:
                if (_connection is not null)
                    await _connection.AdoptAsync(message.Report!);
                return null;
            case MessageKind.Stop:
                string left = await StopAsync();
                _ = EndSoonAsync();
                return new Message { Kind = MessageKind.Disconnected, Text = left };
            default:
                throw new IOException($"a root daemon does not send {message.Kind}");
        }
    }

    private async Task ConnectAsync(ConnectRequest request)
    {
        if (request.Options.LogFile is not null || request.Options.Verbose)
        {
            _log.Dispose();
            _log = FileLog.Open(request.Options.LogFile ?? DaemonPaths.UserLog(_user), request.Options.Verbose);
        }

        request = request with { Options = request.Options with { LogFile = _log.Path } };
        _log.Write($"version {ProductVersion.Text}, connecting to context {request.Target.Context}, namespace {request.Target.Namespace}, server {request.Target.Server}");
        try
        {
            _connection = new UserConnection(request, _user, _directory, _channel, _log);
            string text = await _connection.ConnectAsync(_stopping.Token);
            _ = WatchDataPathAsync(_connection);
            _channel.Post(new Message { Kind = MessageKind.Connected, Text = text });
        }
        catch (UserError error)
        {
            _log.Write($"not connected: {error.Message}");
            _channel.Post(Message.Failure(error));
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            _log.Write("connecting was cancelled");
        }
        catch (Exception fault)
        {
            // The one catch-all of connecting: a bug, told as such.
            _log.Write($"bug while connecting: {fault}");
            _channel.Post(Message.Failure(new UserError(ExitCode.Internal, $"Connecting failed because of a bug in telepresence ({fault.Message}); please report it with the log {_log.Path}.")));
        }
    }

    private async Task WatchDataPathAsync(UserConnection connection)
    {
        try
        {
            await connection.DataPath;
        }
        catch (Exception fault)
        {
            // A fault that stopped the event loop: a bug; nothing works any more, so everything is undone.
            _log.Write($"bug in the data path: {fault}");
            _channel.Post(new Message { Kind = MessageKind.Quit });
        }
    }

    private async Task ServeAsync(ControlConnection connection, CancellationToken cancellation)
    {
        while (await connection.ReceiveAsync(cancellation) is Message message)
        {
            switch (message.Kind)
            {
                case MessageKind.Status:
                    await connection.SendAsync(new Message { Kind = MessageKind.Status, Status = await GetStatusAsync() }, cancellation);
                    break;
                case MessageKind.Quit:
                    // The root daemon undoes everything and stops this daemon too, on whose way out the answer is sent.
                    _channel.Post(new Message { Kind = MessageKind.Quit });
                    await _channel.Closed.WaitAsync(cancellation);
                    await connection.SendAsync(new Message { Kind = MessageKind.Disconnected, Text = _stopped is { } stopped ? await stopped : "", Code = 0 }, cancellation);
                    return;
                default:
                    throw new IOException($"a front end does not send {message.Kind} here");
            }
        }
    }

    private async Task<StatusReport> GetStatusAsync() =>
        _connection is { } connection && _stopped is null ? await connection.GetStatusAsync() : new StatusReport { UserDaemon = new UserDaemonStatus { Running = true, Name = "OSS User Daemon", Version = ProductVersion.Text, Status = _stopped is null ? "Connecting" : "Disconnecting" } };

    private Task<string> StopAsync()
    {
        lock (_channel)
            return _stopped ??= StopOnceAsync();
    }

    private async Task<string> StopOnceAsync()
    {
        await _stopping.CancelAsync();
        await _connecting;
        return _connection is null ? "" : await _connection.StopAsync();
    }

    // The root daemon closes the channel when it has the answer; should it not, this daemon ends all the same.
    private async Task EndSoonAsync()
    {
        await Task.WhenAny(_channel.Closed, Task.Delay(TimeSpan.FromSeconds(2)));
        _over.TrySetResult();
    }
}
