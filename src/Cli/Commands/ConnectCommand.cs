using System.Diagnostics;
using System.Runtime.InteropServices;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Commands;

/// <summary>
/// <c>connect [-- CMD]</c>: has the daemons connect, shows what they wait for, and runs the command.
/// </summary>
/// <remarks>Until it is connected, Ctrl-C and SIGTERM take everything back; so does this process's death, which the daemon notices.</remarks>
internal sealed class ConnectCommand : IDisposable
{
    // The root daemon's own limits for undoing, and a little.
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(60);

    private readonly ConnectArguments _arguments;
    private readonly Terminal _terminal;
    private readonly InvokingUser _user = InvokingUser.Resolve();
    private readonly CancellationTokenSource _interrupted = new();
    private readonly PosixSignalRegistration _interrupt, _terminate, _continue;
    private CommandRunner? _runner;
    private int _signalExitCode;

    internal ConnectCommand(ConnectArguments arguments, Terminal terminal)
    {
        _arguments = arguments;
        _terminal = terminal;
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);

        // When continued, the runtime would put the terminal's settings of its own start in place of the command's.
        _continue = PosixSignalRegistration.Create(PosixSignal.SIGCONT, static context => context.Cancel = true);
    }

    /// <summary>Runs the verb.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="UserError">It does not work.</exception>
    internal async Task<int> RunAsync()
    {
        ConnectOptions options = _arguments.Check();
        CheckMachine();
        if (_arguments.Command.Count > 0)
            _runner = CommandRunner.Find(_user, _arguments.Command);
        try
        {
            (ControlConnection connection, Message answer) = await EnterAsync(options);
            await using (connection)
            {
                bool mine = answer.Kind == MessageKind.Connected;
                if (mine)
                    _terminal.Say(answer.Text ?? "Connected");
                if (_runner is null)
                    return ExitCode.Success;
                int exitCode = _interrupted.IsCancellationRequested ? _signalExitCode : await _runner.RunAsync();
                if (mine)
                    await LeaveAsync(connection);
                return exitCode;
            }

        }
        catch (OperationCanceledException) when (_interrupted.IsCancellationRequested)
        {
            return _signalExitCode;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _continue.Dispose();
        _interrupted.Dispose();
    }

    private static void CheckMachine()
    {
        if (Posix.geteuid() != 0)
            throw new UserError(ExitCode.NotRoot, "Connecting changes this machine's network, which only root may do; run sudo telepresence connect.");
        if (!File.Exists("/dev/net/tun"))
            throw new UserError(ExitCode.TunMissing, "There is no /dev/net/tun; load it with modprobe tun, or start the container with --device /dev/net/tun.");
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (_runner is { IsRunning: true })
        {
            // Ctrl-C reaches the command from the terminal by itself; SIGTERM came to this process alone.
            if (context.Signal == PosixSignal.SIGTERM)
                _runner.Terminate();
            return;
        }

        _signalExitCode = context.Signal == PosixSignal.SIGTERM ? ExitCode.Terminated : ExitCode.Interrupted;
        _interrupted.Cancel();
    }

    // A daemon that is just ending is waited for, and another one started.
    private async Task<(ControlConnection Connection, Message Answer)> EnterAsync(ConnectOptions options)
    {
        long begin = Stopwatch.GetTimestamp();
        bool told = false;
        while (true)
        {
            ControlConnection? connection = await OpenAsync();
            try
            {
                if (connection is not null && await AskAsync(connection, options) is { } answer)
                    return (connection, answer);
                if (Stopwatch.GetElapsedTime(begin) > LongestEnd)
                    throw new UserError(ExitCode.DaemonLost, $"The root daemon keeps ending; its log is {DaemonPaths.RootLog}.");
            }
            catch (Exception fault)
            {
                // The daemon ends with its last front end, unless it holds a connection that somebody else made.
                if (connection is not null)
                    await connection.DisposeAsync();
                if (fault is not UserError { ExitCode: ExitCode.TargetChanged or ExitCode.DaemonVersion })
                    await DaemonLauncher.WaitForEndAsync();
                throw;
            }

            if (connection is not null)
                await connection.DisposeAsync();
            if (!told && Stopwatch.GetElapsedTime(begin) > TimeSpan.FromSeconds(1))
            {
                _terminal.Note("Waiting for the previous connection to end");
                told = true;
            }

            await Task.Delay(50, _interrupted.Token);
        }
    }

    private KubeTarget? _target;
    private bool _saidLaunching;

    // The daemon starts while kubectl reads the kubeconfig. Should that fail, the daemon ends with this connection.
    private async Task<ControlConnection?> OpenAsync()
    {
        ControlConnection? running = ControlConnection.TryConnect(DaemonPaths.RootSocket);
        Task<ControlConnection?> opening = running is null ? DaemonLauncher.StartAsync(_interrupted.Token) : Task.FromResult<ControlConnection?>(running);
        try
        {
            _target ??= await KubeTarget.ResolveAsync(_user, AbsoluteKubeconfig(), _arguments.Context, _arguments.Namespace, _interrupted.Token);
        }
        catch
        {
            await ReleaseAsync(opening, launched: running is null);
            throw;
        }

        if (running is null && !_saidLaunching)
        {
            _terminal.Say("Launching Telepresence User Daemon");
            _terminal.Say("Launching Telepresence Root Daemon");
            _saidLaunching = true;
        }

        return await opening;
    }

    // A daemon that nobody uses ends by itself. It is not told to: by now it may be another front end's, which started at the same time.
    private static async Task ReleaseAsync(Task<ControlConnection?> opening, bool launched)
    {
        try
        {
            if (await opening is { } connection)
                await connection.DisposeAsync();
        }
        catch (Exception fault) when (fault is UserError or OperationCanceledException)
        {
            // It did not start, which is not what the user is told about.
        }

        if (launched)
            await DaemonLauncher.WaitForEndAsync();
    }

    private string? AbsoluteKubeconfig() => _arguments.Kubeconfig is null ? null : Path.GetFullPath(_arguments.Kubeconfig);

    // Null when the daemon is just ending.
    private async Task<Message?> AskAsync(ControlConnection connection, ConnectOptions options)
    {
        try
        {
            await connection.SendAsync(
                new Message
                {
                    Kind = MessageKind.Connect,
                    Connect = new ConnectRequest { Version = ProductVersion.Text, User = _user, Target = _target!, Options = options, Hold = _arguments.Command.Count > 0 },
                },
                CancellationToken.None);
        }
        catch (IOException)
        {
            return null;
        }

        using CancellationTokenRegistration cancel = _interrupted.Token.Register(() =>
        {
            _terminal.Note("Cancelling …");
            _ = connection.SendAsync(new Message { Kind = MessageKind.Cancel }, CancellationToken.None);
        });
        bool heard = false;
        while (await connection.ReceiveAsync(CancellationToken.None) is Message message)
        {
            heard = true;
            switch (message.Kind)
            {
                case MessageKind.Progress:
                    _terminal.Note(message.Text ?? "");
                    break;
                case MessageKind.Connected or MessageKind.AlreadyConnected:
                    return message;
                case MessageKind.Closing:
                    return null;
                case MessageKind.Failed when _interrupted.IsCancellationRequested:
                    throw new OperationCanceledException(_interrupted.Token);
                case MessageKind.Failed:
                    throw message.ToError();
                default:
                    throw new UserError(ExitCode.DaemonVersion, "The running daemon speaks another language; run telepresence quit, then connect again.");
            }
        }

        if (!heard)
            return null;
        throw new UserError(ExitCode.DaemonLost, $"The root daemon ended while it was connecting; its log is {DaemonPaths.RootLog}.");
    }

    private async Task LeaveAsync(ControlConnection connection)
    {
        Message? answer;
        try
        {
            await connection.SendAsync(new Message { Kind = MessageKind.Quit }, CancellationToken.None);
            answer = await connection.ReceiveAsync(CancellationToken.None);
        }
        catch (IOException)
        {
            // Somebody quit, or the daemon was killed, while the command ran.
            answer = null;
        }

        await connection.DisposeAsync();
        await DaemonLauncher.WaitForEndAsync();
        _terminal.Say("Disconnected");
        if (answer?.Text is { Length: > 0 } left)
            _terminal.Note(left);
    }
}
