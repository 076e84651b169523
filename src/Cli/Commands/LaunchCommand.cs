using System.Runtime.InteropServices;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;
using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Cli.Commands;

/// <summary>
/// <c>telepresence --run-shell</c> and <c>--run CMD</c>: a process tree inside the cluster, for as long as the command runs.
/// </summary>
/// <remarks>
/// Ctrl-C, SIGTERM and SIGHUP take everything back in every phase. While the command runs, Ctrl-C and Ctrl-\ are its own business: the
/// terminal sends them to it as well. SIGTERM and SIGHUP are passed on, and what remains is ended; SIGUSR1 and SIGUSR2 are passed on.
/// </remarks>
internal sealed class LaunchCommand : IDisposable
{
    private const int SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGUSR1 = 10, SIGUSR2 = 12;
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(10), SignalDelay = TimeSpan.FromMilliseconds(200);

    private readonly LaunchArguments _arguments;
    private readonly Terminal _terminal;
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] _registrations;
    private volatile TreeSession? _running;

    internal LaunchCommand(LaunchArguments arguments, Terminal terminal)
    {
        _arguments = arguments;
        _terminal = terminal;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnEnd),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnEnd),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, context => OnKey(context, SIGINT)),
            PosixSignalRegistration.Create(PosixSignal.SIGQUIT, context => OnKey(context, SIGQUIT)),

            // When continued, the runtime would put the terminal's settings of its own start in place of the command's.
            PosixSignalRegistration.Create(PosixSignal.SIGCONT, static context => context.Cancel = true),
            PosixSignalRegistration.Create((PosixSignal)SIGUSR1, context => OnMessage(context, SIGUSR1)),
            PosixSignalRegistration.Create((PosixSignal)SIGUSR2, context => OnMessage(context, SIGUSR2)),
        ];
    }

    /// <summary>Runs it.</summary>
    /// <returns>The command's exit code; 3 when the connection was lost; 0 when a signal ended the session.</returns>
    /// <exception cref="UserError">It does not work.</exception>
    internal async Task<int> RunAsync()
    {
        LaunchOptions options = _arguments.Check();
        InvokingUser user = InvokingUser.Resolve();
        CheckCommand(options.Command, user);
        if (!Console.IsErrorRedirected)
            _terminal.Note("Starting proxy...");
        await using TreeSession session = new(options, user, Say);
        int exitCode;
        try
        {
            exitCode = await RunAsync(session);
        }
        catch (Exception fault) when (fault is UserError or IOException or OperationCanceledException)
        {
            // What the terminal's keys did to a tool that was just running is no news.
            if (!await IsEndingAsync())
                throw;
            exitCode = ExitCode.Success;
        }
        finally
        {
            IReadOnlyList<string> left = await session.EndAsync(() => Say("Exit cleanup in progress"));
            foreach (string sentence in left)
                Say(sentence);
        }

        return exitCode;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
        _ending.Dispose();
    }

    // Before anything is changed for its sake. What is not there yet may lie in a volume.
    private static void CheckCommand(IReadOnlyList<string> command, InvokingUser user)
    {
        if (command is [] || (Path.IsPathRooted(command[0]) && !Path.Exists(command[0])))
            return;
        if (CommandLookup.Check(new LaunchSpec { Command = command, Environment = user.Environment }) is { } error)
            throw error;
    }

    private async Task<int> RunAsync(TreeSession session)
    {
        if (await session.StartAsync(_ending.Token))
        {
            Say("Setup complete. Launching your command.");
            _running = session;
            Task<int> command = session.RunAsync();
            if (await Task.WhenAny(command, session.Lost, _ended.Task) != command)
                await EndCommandAsync(session, command);
            if (!session.Lost.IsCompleted)
                return await ExitCodeAsync(session, command);
        }

        return await LostAsync(session);
    }

    private async Task<int> ExitCodeAsync(TreeSession session, Task<int> command)
    {
        int exitCode;
        try
        {
            exitCode = await command;
        }
        catch (UserError error) when (error.ExitCode == ExitCode.DaemonLost)
        {
            return await LostAsync(session);
        }

        if (_ending.IsCancellationRequested)
            return ExitCode.Success;
        Say($"Your process exited with return code {exitCode}.");
        return exitCode;
    }

    private async Task<int> LostAsync(TreeSession session)
    {
        Say(await session.Lost);
        _terminal.Note("Proxy to Kubernetes exited. This is typically due to a lost connection.");
        return ExitCode.LostConnection;
    }

    private static async Task EndCommandAsync(TreeSession session, Task<int> command)
    {
        session.Signal(SIGHUP);
        session.Signal(Posix.SIGTERM);
        if (await Task.WhenAny(command, Task.Delay(LongestEnd)) != command)
            session.Signal(Posix.SIGKILL);
        await Task.WhenAny(command, Task.Delay(LongestEnd));
    }

    // A tool in the terminal's foreground dies of the same key, and may be noticed first.
    private async Task<bool> IsEndingAsync()
    {
        if (!_ending.IsCancellationRequested)
            await Task.WhenAny(_ended.Task, Task.Delay(SignalDelay));
        return _ending.IsCancellationRequested;
    }

    private void OnEnd(PosixSignalContext context)
    {
        context.Cancel = true;
        _ending.Cancel();
        _ended.TrySetResult();
    }

    // Whoever is in the terminal's foreground has had it from the terminal.
    private void OnKey(PosixSignalContext context, int signal)
    {
        if (_running is not { } session)
        {
            OnEnd(context);
            return;
        }

        context.Cancel = true;
        if (!Posix.IsInForeground())
            session.Signal(signal);
    }

    private void OnMessage(PosixSignalContext context, int signal)
    {
        context.Cancel = true;
        _running?.Signal(signal);
    }

    private void Say(string line) => _terminal.Note($"T: {line}");
}
