using System.Runtime.InteropServices;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Commands;

/// <summary>
/// <c>telepresence --run-shell</c> and <c>--run CMD</c>: a process tree inside the cluster, for as long as the command runs.
/// </summary>
/// <remarks>
/// Ctrl-C, SIGTERM and SIGHUP take everything back in every phase. While the command runs, Ctrl-C is the command's own business: the
/// terminal sends it to both; the others are passed on, and what remains is ended.
/// </remarks>
internal sealed class LaunchCommand : IDisposable
{
    private const int SIGHUP = 1, SIGINT = 2;
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(10);

    private readonly LaunchArguments _arguments;
    private readonly Terminal _terminal;
    private readonly CancellationTokenSource _ending = new();
    private readonly PosixSignalRegistration[] _registrations;
    private TreeSession? _running;

    internal LaunchCommand(LaunchArguments arguments, Terminal terminal)
    {
        _arguments = arguments;
        _terminal = terminal;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnSignal),
        ];
    }

    /// <summary>Runs it.</summary>
    /// <returns>The command's exit code; 3 when the connection was lost; 0 when a signal ended the session.</returns>
    /// <exception cref="UserError">It does not work.</exception>
    internal async Task<int> RunAsync()
    {
        LaunchOptions options = _arguments.Check();
        InvokingUser user = InvokingUser.Resolve();
        if (!Console.IsErrorRedirected)
            Console.Error.WriteLine("Starting proxy...");
        await using TreeSession session = new(options, user, Say);
        try
        {
            await session.StartAsync(_ending.Token);
            Say("Setup complete. Launching your command.");
            return await RunCommandAsync(session);
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            return ExitCode.Success;
        }
        finally
        {
            Say("Exit cleanup in progress");
            foreach (string sentence in await session.EndAsync())
                Say(sentence);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
        _ending.Dispose();
    }

    private async Task<int> RunCommandAsync(TreeSession session)
    {
        _running = session;
        Task<int> command = session.RunAsync();

        // A signal that came before the command ran was for it, too.
        if (_ending.IsCancellationRequested)
            session.Signal(Posix.SIGTERM);
        if (await Task.WhenAny(command, session.Lost, EndingAsync()) != command)
            await EndCommandAsync(session, command);
        if (session.Lost.IsCompleted)
        {
            Say(await session.Lost);
            await Console.Error.WriteLineAsync("Proxy to Kubernetes exited. This is typically due to a lost connection.");
            return ExitCode.LostConnection;
        }

        int exitCode = await command;
        if (_ending.IsCancellationRequested)
            return ExitCode.Success;
        Say($"Your process exited with return code {exitCode}.");
        return exitCode;
    }

    private static async Task EndCommandAsync(TreeSession session, Task<int> command)
    {
        session.Signal(SIGHUP);
        session.Signal(Posix.SIGTERM);
        if (await Task.WhenAny(command, Task.Delay(LongestEnd)) != command)
            session.Signal(Posix.SIGKILL);
        await Task.WhenAny(command, Task.Delay(LongestEnd));
    }

    private Task EndingAsync()
    {
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _ending.Token.Register(ended.SetResult);
        return ended.Task;
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (_running is { } session && context.Signal == PosixSignal.SIGINT)
        {
            // Where a terminal is, it has told the command itself.
            if (Console.IsInputRedirected)
                session.Signal(SIGINT);
            return;
        }

        _ending.Cancel();
    }

    private void Say(string line) => _terminal.Note($"T: {line}");
}
