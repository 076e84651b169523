using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>A program that become.pl has started: its pid as seen from here, its ends and its exit code.</summary>
internal sealed class StartedProgram : IDisposable
{
    private const int LongestLine = 4096;
    private readonly Process _process;
    private readonly PseudoTerminal? _terminal;

    private StartedProgram(Process process, PseudoTerminal? terminal, int pid)
    {
        _process = process;
        _terminal = terminal;
        Pid = pid;
    }

    internal int Pid { get; }

    internal PseudoTerminal? Terminal => _terminal;

    internal Stream Input => _terminal?.Stream ?? _process.StandardInput.BaseStream;

    internal Stream Output => _terminal?.Stream ?? _process.StandardOutput.BaseStream;

    /// <summary>null with a terminal.</summary>
    internal Stream? Error => _terminal is null ? _process.StandardError.BaseStream : null;

    /// <param name="command">What leads to become.pl: nsenter and so on.</param>
    /// <exception cref="NodeException">It could not be started; the message is worded as runc does.</exception>
    internal static async Task<StartedProgram> StartAsync(IReadOnlyList<string> command, bool tty, CancellationToken cancel)
    {
        PseudoTerminal? terminal = tty ? PseudoTerminal.Open() : null;
        // A terminal becomes the controlling one of a new session; the shell that opens it is replaced by what follows.
        ProcessStartInfo start = terminal is null
            ? Commands.Prepare(command[0], command.Skip(1))
            : Commands.Prepare(Commands.Shell,
                ["-c", """exec setsid --ctty --wait "$@" <>"$0" >&0 2>&0""", terminal.SlavePath, .. command]);
        Process process = Process.Start(start) ?? throw new NodeException($"cannot start {command[0]}");
        var program = new StartedProgram(process, terminal, 0);
        try
        {
            string line = await ReadLineAsync(program.Output, cancel);
            if (line.StartsWith("started ", StringComparison.Ordinal)
                && int.TryParse(line.AsSpan(8), CultureInfo.InvariantCulture, out int pid))
                return new StartedProgram(process, terminal, pid);
            await process.WaitForExitAsync(cancel);
            string reason = line.StartsWith("failed ", StringComparison.Ordinal)
                ? line[7..]
                : terminal is null ? (await process.StandardError.ReadToEndAsync(cancel)).Trim() : line;
            throw new NodeException($"unable to start container process: {reason}");
        }
        catch
        {
            program.KillStarter();
            program.Dispose();
            throw;
        }
    }

    internal void Signal(int signal) => _ = Native.Kill(Pid, signal);

    /// <returns>The exit code; 128 + signal when killed.</returns>
    internal async Task<int> WaitAsync(CancellationToken cancel)
    {
        await _process.WaitForExitAsync(cancel);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        _terminal?.Dispose();
        _process.Dispose();
    }

    private void KillStarter()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
    }

    // Byte by byte, for what follows the line belongs to someone else.
    private static async Task<string> ReadLineAsync(Stream stream, CancellationToken cancel)
    {
        var line = new StringBuilder();
        byte[] one = new byte[1];
        while (line.Length < LongestLine && await ReadAsync(stream, one, cancel) == 1 && one[0] != '\n')
            line.Append((char)one[0]);
        return line.ToString().TrimEnd('\r');
    }

    /// <summary>Like Stream.ReadAsync, with the end of a terminal (EIO once nobody has its other side open) as an end of file.</summary>
    internal static async ValueTask<int> ReadAsync(Stream stream, Memory<byte> buffer, CancellationToken cancel)
    {
        try
        {
            return await stream.ReadAsync(buffer, cancel);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
