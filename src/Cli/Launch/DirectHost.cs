using System.ComponentModel;
using System.Diagnostics;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch;

/// <summary>Runs the user's command like any other program: where no namespace can be had, and the preload shim does the work.</summary>
internal sealed class DirectHost : ITreeHost
{
    private readonly TaskCompletionSource<string> _lost = new();
    private volatile Process? _process;

    /// <inheritdoc/>
    public Task<string> Lost => _lost.Task;

    /// <inheritdoc/>
    public int? Holder => null;

    /// <inheritdoc/>
    public bool Rootless => false;

    /// <inheritdoc/>
    public bool HasNetwork => false;

    /// <inheritdoc/>
    public async Task<int> RunAsync(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> variables, string directory)
    {
        ProcessStartInfo start = new(command[0], command.Skip(1)) { UseShellExecute = false, WorkingDirectory = directory };
        start.Environment.Clear();
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;
        try
        {
            using Process process = Process.Start(start)!;
            _process = process;
            await process.WaitForExitAsync();
            _process = null;
            return process.ExitCode;
        }
        catch (Win32Exception fault)
        {
            throw new UserError(ExitCode.CommandNotFound, $"{command[0]} could not be started: {fault.Message}.", fault);
        }
    }

    /// <inheritdoc/>
    public void Signal(int signal)
    {
        if (_process is { HasExited: false } process)
            _ = Posix.kill(process.Id, signal);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
