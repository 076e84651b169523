using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;

namespace Telepresence.EndToEnd.Harness;

/// <summary>A command on a laptop that may still run.</summary>
internal sealed class RunningCommand
{
    private readonly string _line;
    private readonly Process _process;
    private readonly Task<string> _output, _error;
    private readonly ConcurrentQueue<string> _pieces = new();

    public RunningCommand(string line, Process process, bool keepInput)
    {
        _line = line;
        _process = process;
        if (!keepInput)
            process.StandardInput.Close();
        _output = ReadAsync(process.StandardOutput);
        _error = ReadAsync(process.StandardError);
    }

    /// <summary>What it wrote so far.</summary>
    public string SoFar => string.Concat(_pieces);

    /// <summary>Its standard input, where that was kept open.</summary>
    public StreamWriter Input => _process.StandardInput;

    public bool HasEnded => _process.HasExited;

    /// <summary>Waits for its end, and for that of all that write to its output.</summary>
    public async Task<CommandResult> EndAsync()
    {
        await _process.WaitForExitAsync();
        CommandResult result = new(_line, _process.ExitCode, await _output, await _error);
        _process.Dispose();
        return result;
    }

    /// <summary>Waits until it has written a text.</summary>
    public async Task SaysAsync(string text)
    {
        await Eventually.HoldsAsync($"{_line} says: {text}", () => Task.FromResult(SoFar.Contains(text, StringComparison.Ordinal) || _error.IsCompleted));
        Assert.True(SoFar.Contains(text, StringComparison.Ordinal), $"{_line} was to say \"{text}\" and said: {SoFar}");
    }

    private async Task<string> ReadAsync(StreamReader reader)
    {
        StringBuilder all = new();
        char[] buffer = new char[4096];
        while (await reader.ReadAsync(buffer) is int read and > 0)
        {
            string piece = new(buffer, 0, read);
            all.Append(piece);
            _pieces.Enqueue(piece);
        }

        return all.ToString();
    }
}
