using System.Globalization;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Cli.Launch;

/// <summary>
/// Runs the user's command like any other program: where no namespace can be had, and the preload shim does the work.
/// </summary>
/// <remarks>The tree is then known by what all its programs have in their environment: the path of the session's own directory.</remarks>
internal sealed class DirectHost : ITreeHost
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2), Interval = TimeSpan.FromMilliseconds(50);

    private readonly TaskCompletionSource<string> _lost = new();
    private readonly Lock _lock = new();
    private readonly List<int> _early = [];
    private ChildProcess? _process;
    private byte[] _mark = [];

    /// <inheritdoc/>
    public Task<string> Lost => _lost.Task;

    /// <inheritdoc/>
    public int? Holder => null;

    /// <inheritdoc/>
    public bool Rootless => false;

    /// <inheritdoc/>
    public bool HasNetwork => false;

    /// <summary>Says by which text in their environment the tree's programs are known.</summary>
    internal void MarkBy(string text) => _mark = System.Text.Encoding.UTF8.GetBytes(text);

    /// <inheritdoc/>
    public async Task<int> RunAsync(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> variables, string directory)
    {
        LaunchSpec spec = new() { Command = command, Environment = variables, Directory = directory };
        if (CommandLookup.Check(spec) is { } error)
            throw error;
        ChildProcess process;
        try
        {
            lock (_lock)
            {
                // env(1) looks the program up in the PATH that it is given, as exec(3) does.
                process = _process = ChildProcess.Start("/usr/bin/env", ["env", "--", .. command], variables, directory, stopped: null);
                foreach (int signal in _early)
                    _ = Posix.kill(process.Id, signal);
            }
        }
        catch (IOException fault)
        {
            throw new UserError(ExitCode.CommandNotExecutable, $"{command[0]} could not be started: {fault.Message.TrimEnd('.')}.", fault);
        }

        return await process.Exited;
    }

    /// <inheritdoc/>
    public void Signal(int signal)
    {
        lock (_lock)
        {
            if (_process is null)
                _early.Add(signal);
            else if (!_process.Exited.IsCompleted)
                _ = Posix.kill(_process.Id, signal);
        }
    }

    /// <summary>Ends what the command has left running.</summary>
    public async ValueTask DisposeAsync()
    {
        const int hangUp = 1;
        if (_process is null || _mark.Length == 0)
            return;
        foreach (int pid in Tree())
        {
            _ = Posix.kill(pid, hangUp);
            _ = Posix.kill(pid, Posix.SIGTERM);
        }

        for (TimeSpan waited = TimeSpan.Zero; waited < Grace && Tree().Count > 0; waited += Interval)
            await Task.Delay(Interval);
        foreach (int pid in Tree())
            _ = Posix.kill(pid, Posix.SIGKILL);
    }

    private List<int> Tree()
    {
        List<int> found = [];
        foreach (string entry in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(entry), CultureInfo.InvariantCulture, out int pid) || pid == System.Environment.ProcessId)
                continue;
            try
            {
                if (File.ReadAllBytes(Path.Combine(entry, "environ")).AsSpan().IndexOf(_mark) >= 0)
                    found.Add(pid);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // It has ended, or is somebody else's.
            }
        }

        return found;
    }
}
