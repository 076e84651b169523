using System.Diagnostics;
using System.Globalization;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// One connection as the root daemon sees it: a user daemon, the channel to it, and the machine's network on its behalf.
/// </summary>
/// <remarks>
/// It begins with the user daemon's start and is over when everything on the machine is undone, for whatever reason that began: somebody
/// quit, the user daemon failed or died, the front end gave up waiting. There is one way out, <see cref="EndAsync"/>.
/// </remarks>
internal sealed class RootSession : IAsyncDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20), StatusLimit = TimeSpan.FromSeconds(2);

    // VPN clients and DHCP rewrite resolvers and rules; a person waits that long before trying again.
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(5);

    private readonly IMachine _machine;
    private readonly FileLog _log;
    private readonly DaemonChannel _channel;
    private readonly Process _process;
    private readonly CancellationTokenSource _ending = new();
    private readonly SemaphoreSlim _machineTurn = new(1, 1);
    private readonly TaskCompletionSource<string> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _endBegun;

    private RootSession(ConnectRequest request, IMachine machine, FileLog log, DescriptorSocket socket, Process process)
    {
        Request = request;
        _machine = machine;
        _log = log;
        _process = process;
        _channel = new DaemonChannel(socket, takesDescriptors: false, HandleAsync, fault => _log.Write($"bug while talking to the user daemon: {fault}"));
    }

    /// <summary>What was asked for.</summary>
    internal ConnectRequest Request { get; }

    /// <summary>The line for the user once it is connected; fails with a <see cref="UserError"/>.</summary>
    internal Task<string> Connected => _connected.Task;

    /// <summary>Ends when everything is undone, with what could not be, or an empty text.</summary>
    internal Task<string> Ended => _ended.Task;

    /// <summary>Whether undoing has begun.</summary>
    internal bool IsEnding => Volatile.Read(ref _endBegun) != 0;

    /// <summary>Told what is waited for while it connects.</summary>
    internal Action<string>? Progress { get; set; }

    /// <summary>Starts the user daemon and has it connect.</summary>
    /// <exception cref="UserError">It could not be started.</exception>
    internal static RootSession Start(ConnectRequest request, IMachine machine, FileLog log)
    {
        string directory;
        DescriptorSocket mine;
        FileDescriptor theirs;
        try
        {
            directory = DaemonPaths.MakeUserDirectory(request.User.Uid, request.User.Gid);
            (mine, theirs) = DescriptorSocket.CreatePair();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserError(ExitCode.DaemonStart, $"The user daemon could not be started: {fault.Message}; {DaemonPaths.Runtime} must be writable for root.", fault);
        }

        using (theirs)
        {
            (string program, string[] arguments) = SelfProgram.Command("daemon-user", "--channel", theirs.Number.ToString(CultureInfo.InvariantCulture), "--directory", directory);
            ProcessStartInfo start = request.User.StartInfo(program, arguments);
            start.WorkingDirectory = "/";
            Posix.SetInheritable(theirs.Number, inheritable: true);
            try
            {
                RootSession session = new(request, machine, log, mine, Process.Start(start)!);
                log.Write($"user daemon {session._process.Id} started for {request.User}, context {request.Target.Context}, namespace {request.Target.Namespace}");
                session.Begin();
                return session;
            }
            catch (Exception fault) when (fault is System.ComponentModel.Win32Exception or InvalidOperationException)
            {
                mine.Dispose();
                throw new UserError(ExitCode.DaemonStart, $"The user daemon could not be started as {request.User.Name}: {fault.Message}; {program} must be readable and executable for that user.", fault);
            }
        }
    }

    /// <summary>Undoes everything and ends the user daemon.</summary>
    /// <returns>What could not be undone, or an empty text.</returns>
    internal Task<string> EndAsync(UserError reason)
    {
        if (Interlocked.Exchange(ref _endBegun, 1) == 0)
            _ = EndOnceAsync(reason);
        return Ended;
    }

    /// <summary>What the user daemon says about the connection, or null when it does not answer.</summary>
    internal async Task<StatusReport?> GetStatusAsync()
    {
        using CancellationTokenSource limit = new(StatusLimit);
        try
        {
            return (await _channel.CallAsync(new Message { Kind = MessageKind.Status }, limit.Token)).Status;
        }
        catch (Exception fault) when (fault is OperationCanceledException or UserError)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await EndAsync(new UserError(ExitCode.Interrupted, "Disconnected."));

    private void Begin()
    {
        _channel.Start();
        _ = WatchAsync();

        // The environment went with the process; what is sent may be logged over there.
        ConnectRequest request = Request with { User = Request.User with { Environment = new Dictionary<string, string>() } };
        _channel.Post(new Message { Kind = MessageKind.Connect, Connect = request });
    }

    private async Task WatchAsync()
    {
        await _channel.Closed;
        await EndAsync(new UserError(ExitCode.DaemonLost, $"The user daemon ended unexpectedly; its log is {Request.Options.LogFile ?? DaemonPaths.UserLog(Request.User)}."));
    }

    private async Task<Message?> HandleAsync(Message message)
    {
        switch (message.Kind)
        {
            case MessageKind.Progress:
                Progress?.Invoke(message.Text ?? "");
                return null;
            case MessageKind.Connected:
                _log.Write($"connected: {message.Text}");
                if (_connected.TrySetResult(message.Text ?? ""))
                    _ = CheckAsync();
                return null;
            case MessageKind.Failed:
                await EndAsync(message.ToError());
                return null;
            case MessageKind.Quit:
                _ = EndAsync(new UserError(ExitCode.Interrupted, "Disconnected while connecting."));
                return null;
            case MessageKind.Configure:
                return await WithMachineAsync(async () =>
                {
                    (NetworkReport report, IReadOnlyList<FileDescriptor> descriptors) = await _machine.ConfigureAsync(message.Network!, _ending.Token);
                    _log.Write($"interface {report.Interface} with routes {string.Join(", ", report.Routes)}");
                    return new Message { Kind = MessageKind.Configured, Report = report, Descriptors = descriptors };
                });
            case MessageKind.Update:
                return await WithMachineAsync(async () =>
                {
                    NetworkReport report = await _machine.UpdateAsync(message.Network!, _ending.Token);
                    _log.Detail($"routes {string.Join(", ", report.Routes)}");
                    return new Message { Kind = MessageKind.Configured, Report = report };
                });
            default:
                throw new IOException($"a user daemon does not send {message.Kind}");
        }
    }

    private async Task CheckAsync()
    {
        using PeriodicTimer timer = new(CheckInterval);
        string trouble = "";
        try
        {
            while (await timer.WaitForNextTickAsync(_ending.Token))
            {
                try
                {
                    await WithMachineAsync(async () =>
                    {
                        if (await _machine.CheckAsync(_ending.Token) is { } report)
                        {
                            _log.Write($"the machine's own settings changed; resolver {report.DnsMethod}, name servers {string.Join(", ", report.LocalServers)}");
                            _channel.Post(new Message { Kind = MessageKind.Changed, Report = report });
                        }

                        return new Message { Kind = MessageKind.Changed };
                    });
                    trouble = "";
                }
                catch (Exception fault) when (fault is not OperationCanceledException)
                {
                    // The one catch-all of the loop: whatever it is this time, the next look may go well. Told once, not every time.
                    string text = fault is UserError ? fault.Message : fault.ToString();
                    if (text != trouble)
                        _log.Write($"checking the machine: {trouble = text}");
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The session ends.
        }
    }

    // The machine is changed by one at a time, and not any more once undoing has begun.
    private async Task<Message> WithMachineAsync(Func<Task<Message>> change)
    {
        await _machineTurn.WaitAsync(_ending.Token);
        try
        {
            _ending.Token.ThrowIfCancellationRequested();
            return await change();
        }
        finally
        {
            _machineTurn.Release();
        }
    }

    private async Task EndOnceAsync(UserError reason)
    {
        // The network first: it is quick, and it gives the machine its own resolver back. Meanwhile the user daemon tidies the cluster.
        List<string> left = [];
        try
        {
            await _ending.CancelAsync();
            Task<string> stopping = Task.Run(StopUserDaemonAsync);
            await _machineTurn.WaitAsync();
            left.AddRange(await _machine.UndoAsync());
            left.Add(await stopping);
            _channel.Dispose();
            await WaitForExitAsync();
        }
        catch (Exception fault)
        {
            // The one catch-all of a session: what was not undone is still in the journals, for the guardian and the next start.
            _log.Write($"bug while ending the session: {fault}");
            left.Add($"not everything was undone ({fault.Message}); the next connect does it");
        }

        string text = string.Join(' ', left.Where(static sentence => sentence.Length > 0));
        _log.Write($"session over: {reason.Message} {text}".TrimEnd());
        _connected.TrySetException(reason);

        // Nobody may be waiting for the connection any more; its failure is no bug then.
        _ = _connected.Task.Exception;
        _ended.TrySetResult(text);
    }

    private async Task<string> StopUserDaemonAsync()
    {
        using CancellationTokenSource limit = new(StopLimit);
        try
        {
            return (await _channel.CallAsync(new Message { Kind = MessageKind.Stop }, limit.Token)).Text ?? "";
        }
        catch (UserError)
        {
            // It is gone already. Its guardian, or its next start, tidies the cluster.
            return "";
        }
        catch (OperationCanceledException)
        {
            return "The user daemon did not stop in time; what is left in the cluster is removed at the next connect.";
        }
    }

    private async Task WaitForExitAsync()
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(3));
        }
        catch (TimeoutException)
        {
            _log.Write($"user daemon {_process.Id} does not end; killed");
            _process.Kill();
        }

        _process.Dispose();
    }
}
