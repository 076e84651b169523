using System.Diagnostics;
using System.Globalization;

namespace Telepresence.Cli.Daemon;

/// <summary>Starts the root daemon.</summary>
internal static class DaemonLauncher
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(75);

    /// <summary>Waits until a root daemon that has said that it is done is gone from its socket, for two seconds at most.</summary>
    internal static async Task WaitForEndAsync()
    {
        const int attempts = 200;
        for (int attempt = 0; attempt < attempts && File.Exists(DaemonPaths.RootSocket); attempt++)
            await Task.Delay(10);
    }

    /// <summary>Starts it and waits until it listens.</summary>
    /// <returns>Null when one ran already that somebody else had started, and has just ended.</returns>
    /// <exception cref="UserError">It does not start.</exception>
    internal static async Task<ControlConnection?> StartAsync(CancellationToken cancellation)
    {
        (string program, string[] arguments) = SelfProgram.Command("daemon-root");

        // Not one of the streams of this process may stay open in the daemon: whoever reads them would wait for the daemon's end.
        ProcessStartInfo start = new(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        using Process process = Process.Start(start)!;
        string? line;
        try
        {
            line = await process.StandardOutput.ReadLineAsync(cancellation).AsTask().WaitAsync(StartLimit, cancellation);
        }
        catch (TimeoutException fault)
        {
            throw new UserError(ExitCode.DaemonStart, $"The root daemon did not start within {StartLimit.TotalSeconds:0} seconds; its log is {DaemonPaths.RootLog}.", fault);
        }

        if (line == "running")
            return ControlConnection.TryConnect(DaemonPaths.RootSocket);
        if (line == "ready")
        {
            return ControlConnection.TryConnect(DaemonPaths.RootSocket)
                ?? throw new UserError(ExitCode.DaemonLost, $"The root daemon ended as soon as it had started; its log is {DaemonPaths.RootLog}.");
        }

        if (line?.Split(' ', 2) is [string number, string sentence] && int.TryParse(number, CultureInfo.InvariantCulture, out int code))
            throw new UserError(code, sentence);
        throw new UserError(ExitCode.DaemonStart, $"The root daemon did not start; its log is {DaemonPaths.RootLog}.");
    }
}
