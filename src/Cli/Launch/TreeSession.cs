using Telepresence.Cli.Cluster;
using Telepresence.Cli.Daemon;
using Telepresence.Cli.Engine;
using Telepresence.Cli.Engine.Ports;
using Telepresence.Cli.Launch.Shell;
using Telepresence.Cli.Launch.Variables;
using Telepresence.Cli.Machine;
using Telepresence.Cli.Session;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Launch;

/// <summary>
/// One process tree inside the cluster: the pod, the session with it, the tree's network, volumes and ports, and the command. The
/// composition root of the form without a verb.
/// </summary>
internal sealed class TreeSession : IAsyncDisposable
{
    private static readonly TimeSpan UndoLimit = TimeSpan.FromSeconds(20);

    private readonly LaunchOptions _options;
    private readonly InvokingUser _user;
    private readonly Action<string> _say;
    private readonly FileLog _log;
    private readonly StartClock _clock = new();
    private readonly ConnectEngine _engine = new();
    private readonly byte[] _key = PodSession.NewKey();
    private readonly string _id = Guid.NewGuid().ToString("N")[..12];
    private readonly TaskCompletionSource<string> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Journal? _journal = null;
    private ITreeHost _host = new DirectHost();

    /// <summary>Prepares a session; nothing is changed yet.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="user">For whom.</param>
    /// <param name="say">Told what the user should know.</param>
    internal TreeSession(LaunchOptions options, InvokingUser user, Action<string> say)
    {
        _options = options;
        _user = user;
        _say = say;
        _log = FileLog.OpenNew(options.LogFile, options.Verbose);
    }

    /// <summary>Ends, with the reason, when the session with the pod is lost.</summary>
    internal Task<string> Lost => _lost.Task;

    /// <summary>Brings everything up.</summary>
    /// <exception cref="UserError">It does not work; <see cref="EndAsync"/> takes back what was done.</exception>
    internal Task StartAsync(CancellationToken cancellation) => throw new UserError(ExitCode.Internal, $"{_user.Name} {_options.Method} {_id} {_key.Length} {_clock} {_log.Path}: not composed yet.");

    /// <summary>Runs the command, or the shell, to its end.</summary>
    internal Task<int> RunAsync() => _host.RunAsync(_options.Command, _user.Environment, System.Environment.CurrentDirectory);

    /// <summary>Sends the command a signal.</summary>
    internal void Signal(int signal) => _host.Signal(signal);

    /// <summary>Takes everything back.</summary>
    /// <returns>A sentence for each thing that is left.</returns>
    internal async Task<IReadOnlyList<string>> EndAsync()
    {
        using CancellationTokenSource limit = new(UndoLimit);
        return _journal is null ? [] : await _journal.UndoAllAsync(limit.Token);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _engine.DisposeAsync();
        _journal?.Dispose();
        _log.Dispose();
    }
}
