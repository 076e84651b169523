using System.Diagnostics;
using System.Runtime.InteropServices;

using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// The small process with privileges: it owns the changes to the machine and their journal, and starts the user daemon, which does
/// everything else as the invoking user.
/// </summary>
/// <remarks>
/// It lives as long as a connection, or somebody who waits for one. Front ends reach it over a Unix socket that only root can use.
/// </remarks>
internal sealed class RootDaemon : IAsyncDisposable
{
    private static readonly TimeSpan JournalLimit = TimeSpan.FromSeconds(40), StarterLimit = TimeSpan.FromSeconds(15), StarterInterval = TimeSpan.FromMilliseconds(100);

    private readonly IMachine _machine;
    private readonly FileLog _log;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ControlServer _server;
    private RootSession? _session;
    private volatile bool _closing;

    // Who started the daemon and has not come yet. Others who only look whether it runs come and go meanwhile.
    private volatile int _awaited;

    /// <summary>Begins to listen.</summary>
    /// <param name="machine">What it may change.</param>
    /// <param name="log">Its log.</param>
    /// <param name="starter">The process that started it and will be the first front end.</param>
    internal RootDaemon(IMachine machine, FileLog log, int starter)
    {
        _machine = machine;
        _log = log;
        _awaited = starter;
        _server = ControlServer.Start(DaemonPaths.RootSocket, Posix.geteuid(), ServeAsync, log);
        _server.Idle = EndWhenUnused;
    }

    /// <summary>Ends when there is no connection and nobody waits for one.</summary>
    internal Task Over => _over.Task;

    /// <summary>Runs the daemon: <c>telepresence daemon-root</c>.</summary>
    internal static async Task<int> RunAsync()
    {
        _ = Posix.setsid();
        Posix.CloseInherited(except: -1);
        using DaemonStarter starter = DaemonStarter.Take();
        using FileLog log = FileLog.Open(DaemonPaths.RootLog, verbose: true);
        try
        {
            return await RunAsync(starter, log);
        }
        catch (UserError error)
        {
            return Refuse(starter, error, log);
        }
        catch (Exception fault)
        {
            // The one catch-all of the daemon. What it changed is undone by its guardian.
            log.Write($"bug: {fault}");
            return Refuse(starter, new UserError(ExitCode.Internal, $"The root daemon failed because of a bug in telepresence ({fault.Message}); please report it with the log {log.Path}.", fault), log);
        }
    }

    /// <summary>Takes back what a dead root daemon left: <c>telepresence daemon-root --undo</c>.</summary>
    internal static async Task<int> UndoAsync()
    {
        using FileLog log = FileLog.Open(DaemonPaths.RootLog, verbose: true);
        try
        {
            using Journal? journal = await OpenJournalAsync();
            return journal is null || await UndoLeftoversAsync(journal, new MachineOwner(journal), log) ? ExitCode.Success : ExitCode.LocalNetwork;
        }
        catch (UserError error)
        {
            log.Write(error.Message);
            return error.ExitCode;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static async Task<int> RunAsync(DaemonStarter starter, FileLog log)
    {
        try
        {
            DaemonPaths.MakeRuntime();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserError(ExitCode.DaemonStart, $"{DaemonPaths.Runtime} cannot be made: {fault.Message.TrimEnd('.')}; the root daemon must run as root.", fault);
        }

        using Journal? journal = await OpenJournalAsync();
        if (journal is null)
        {
            starter.Tell("running");
            return ExitCode.Success;
        }

        MachineOwner machine = new(journal);
        await UndoLeftoversAsync(journal, machine, log);

        // Before anybody can connect: it must not get what is opened for a user daemon to inherit.
        using Guardian guardian = Guardian.Start("daemon-root", "--undo");
        await using RootDaemon daemon = new(machine, log, Posix.getppid());
        bool isAwaited = starter.Tell("ready");
        using PosixSignalRegistration terminate = daemon.On(PosixSignal.SIGTERM);
        using PosixSignalRegistration interrupt = daemon.On(PosixSignal.SIGINT);
        using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, static context => context.Cancel = true);

        _ = daemon.AwaitStarterAsync(isAwaited);
        await daemon.Over;

        // Somebody may have connected in the very last moment.
        await daemon.QuitAsync();
        guardian.Release();
        log.Write("root daemon ends");
        return ExitCode.Success;
    }

    private static int Refuse(DaemonStarter starter, UserError error, FileLog log)
    {
        log.Write(error.Message);
        starter.Tell($"{error.ExitCode} {error.Message}");
        return error.ExitCode;
    }

    private static async Task<bool> UndoLeftoversAsync(Journal journal, MachineOwner machine, FileLog log)
    {
        if (journal.SetAside is not null)
            log.Write($"the journal held lines that make no sense; what they changed is not undone, a copy is {journal.SetAside}");
        if (journal.Open.Count == 0)
            return true;
        log.Write($"taking back what an earlier daemon left: {string.Join(", ", journal.Open.Select(static change => change.Description))}");
        IReadOnlyList<string> left = await machine.UndoAsync();
        foreach (string sentence in left)
            log.Write(sentence);
        return left.Count == 0;
    }

    // The journal's lock is the daemon's: one at a time. A guardian that undoes holds it for a moment. Null when a daemon runs already.
    private static async Task<Journal?> OpenJournalAsync()
    {
        using CancellationTokenSource limit = new(JournalLimit);
        try
        {
            return await Journal.OpenWhenFreeAsync(DaemonPaths.RootJournal, async () => !await AnswersAsync(limit.Token), limit.Token);
        }
        catch (OperationCanceledException fault)
        {
            throw new UserError(ExitCode.DaemonStart, $"{DaemonPaths.RootJournal} is held by another root daemon, or by one that takes back what an earlier one left, and does not become free; the log is {DaemonPaths.RootLog}.", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserError(ExitCode.DaemonStart, $"{DaemonPaths.RootJournal} cannot be opened: {fault.Message.TrimEnd('.')}; its directory must be writable for root.", fault);
        }
    }

    private static async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        await using ControlConnection? connection = ControlConnection.TryConnect(DaemonPaths.RootSocket);
        try
        {
            return connection is not null && await connection.TryAskAsync(new Message { Kind = MessageKind.Status }, cancellation) is not null;
        }
        catch (IOException)
        {
            // Another version's answer, which this one does not understand.
            return true;
        }
    }

    private PosixSignalRegistration On(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        _log.Write($"{signal}: undoing everything");
        _ = QuitAsync();
    });

    private async Task ServeAsync(ControlConnection connection, CancellationToken cancellation)
    {
        if (connection.PeerProcess == _awaited)
            _awaited = 0;
        while (await connection.ReceiveAsync(cancellation) is Message message)
        {
            switch (message.Kind)
            {
                case MessageKind.Connect:
                    await ConnectAsync(connection, message.Connect!, cancellation);
                    return;
                case MessageKind.Status:
                    await connection.SendAsync(new Message { Kind = MessageKind.Status, Status = await GetStatusAsync() }, cancellation);
                    break;
                case MessageKind.Quit:
                    string? left = await QuitAsync();
                    await connection.SendAsync(new Message { Kind = MessageKind.Disconnected, Text = left, Code = left is null ? 1 : 0 }, cancellation);
                    return;
                default:
                    throw new IOException($"a front end does not send {message.Kind}");
            }
        }
    }

    private async Task ConnectAsync(ControlConnection connection, ConnectRequest request, CancellationToken cancellation)
    {
        try
        {
            if (await EnterAsync(request, connection, cancellation) is not var (session, mine))
            {
                await connection.SendAsync(new Message { Kind = MessageKind.Closing }, cancellation);
                return;
            }

            using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            Task<Message?> next = connection.ReceiveAsync(gone.Token);
            if (await Task.WhenAny(session.Connected, next) == next && mine && !session.Connected.IsCompletedSuccessfully)
            {
                // Cancelled, or the front end died while it waited: as if it had never been.
                await session.EndAsync(new UserError(ExitCode.Interrupted, "Cancelled; nothing was changed."));
            }

            string text = await session.Connected;
            await connection.SendAsync(new Message { Kind = mine ? MessageKind.Connected : MessageKind.AlreadyConnected, Text = text }, cancellation);
            if (mine && request.Hold)
            {
                // The command runs; the connection ends with the front end, however that ends.
                await Task.WhenAny(next, session.Ended);
                string left = await session.EndAsync(new UserError(ExitCode.Success, "The command ended."));
                if (!next.IsFaulted && await next is not null)
                    await connection.SendAsync(new Message { Kind = MessageKind.Disconnected, Text = left, Code = 0 }, cancellation);
            }

            await gone.CancelAsync();
        }
        catch (UserError error)
        {
            await connection.SendAsync(Message.Failure(error), cancellation);
        }
    }

    // Null when the daemon is just ending.
    private async Task<(RootSession Session, bool Mine)?> EnterAsync(ConnectRequest request, ControlConnection connection, CancellationToken cancellation)
    {
        if (request.Version != ProductVersion.Text)
            throw new UserError(ExitCode.DaemonVersion, $"The running daemon is version {ProductVersion.Text} and this program is {request.Version}; run telepresence quit, then connect again.");

        // What is just ending is no connection any more.
        while (_session is { IsEnding: true } && !_closing)
            await Task.Delay(20, cancellation);
        await _turn.WaitAsync(cancellation);
        try
        {
            if (_closing)
                return null;
            if (_session is { } present)
                return request.IsSameAs(present.Request) ? (present, false) : throw Refusal(request, present.Request);

            RootSession session = RootSession.Start(request, _machine, _log);
            session.Progress = text => _ = TellAsync(connection, text);
            _session = session;
            _ = ForgetAsync(session);
            return (session, true);
        }
        finally
        {
            _turn.Release();
        }
    }

    private static UserError Refusal(ConnectRequest request, ConnectRequest present) => new(
        ExitCode.TargetChanged,
        request.User.Uid == present.User.Uid
            ? "Cluster configuration changed, please quit telepresence and reconnect"
            : $"{present.User.Name} has connected this machine to context {present.Target.Context}, namespace {present.Target.Namespace}; a machine has one connection at a time, sudo telepresence quit ends it.");

    private async Task TellAsync(ControlConnection connection, string text)
    {
        try
        {
            await connection.SendAsync(new Message { Kind = MessageKind.Progress, Text = text }, CancellationToken.None);
        }
        catch (Exception fault) when (fault is IOException or ObjectDisposedException)
        {
            _log.Detail($"nobody to tell: {text}");
        }
    }

    private async Task ForgetAsync(RootSession session)
    {
        await session.Ended;
        await _turn.WaitAsync();
        _session = null;
        _turn.Release();
        EndWhenUnused();
    }

    private async Task<string?> QuitAsync()
    {
        // One that is just starting is not overlooked.
        await _turn.WaitAsync();
        _closing = true;
        RootSession? session = _session;
        _turn.Release();
        string? left = session is null ? null : await session.EndAsync(new UserError(ExitCode.Interrupted, "Disconnected while connecting."));

        // Front ends get their answers and go; one that does not go is not waited for.
        _ = Task.Delay(TimeSpan.FromSeconds(3)).ContinueWith(_ => _over.TrySetResult(), TaskScheduler.Default);
        EndWhenUnused();
        return left;
    }

    private async Task<StatusReport> GetStatusAsync()
    {
        StatusReport? report = _session is { } session ? await session.GetStatusAsync() : null;
        report ??= new StatusReport();
        return report with { RootDaemon = report.RootDaemon with { Running = true, Name = "OSS Root Daemon", Version = ProductVersion.Text } };
    }

    // The front end connects right behind "ready"; should it have died instead, and this process have another parent, nobody ever will.
    private async Task AwaitStarterAsync(bool isThere)
    {
        long begin = Stopwatch.GetTimestamp();
        while (isThere && _awaited is var starter and not 0 && Stopwatch.GetElapsedTime(begin) < StarterLimit)
        {
            await Task.Delay(StarterInterval);
            isThere = Posix.getppid() == starter;
        }

        if (Interlocked.Exchange(ref _awaited, 0) != 0)
            _log.Write(isThere ? "the front end that started the daemon does not come" : "the front end that started the daemon has ended");
        EndWhenUnused();
    }

    private void EndWhenUnused()
    {
        if (_session is null && _server.Connections == 0 && (_awaited == 0 || _closing))
        {
            _closing = true;
            _over.TrySetResult();
        }
    }
}
