using System.Diagnostics;
using System.Text;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Machine;

/// <summary>Runs a small system tool to its end.</summary>
internal static class Tool
{
    // Those of NixOS and Guix, which have none of the others, belong to root as well.
    private const string SystemDirectories = "/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin:/run/current-system/profile/sbin:/run/current-system/profile/bin";

    // None of them has more to do than ask the kernel or a local service; one that hangs (a bus that does not answer) must not keep
    // the rest from being undone.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Runs <paramref name="program"/> and gives what it printed.</summary>
    /// <param name="program">Name, looked up as <see cref="Find"/> does.</param>
    /// <param name="arguments">Arguments, one each.</param>
    /// <param name="input">What it reads, or null.</param>
    /// <param name="cancellation">Ends the tool.</param>
    /// <exception cref="IOException">It is not installed, failed or did not end in time; the message says what it printed.</exception>
    internal static async Task<string> RunAsync(string program, IEnumerable<string> arguments, string? input, CancellationToken cancellation)
    {
        ToolResult result = await TryRunAsync(program, arguments, input, cancellation).ConfigureAwait(false);
        if (result.ExitCode != 0)
            throw new IOException($"{program} {string.Join(' ', arguments)} failed: {FirstLine(result.Error)}");
        return result.Output;
    }

    /// <summary>The same, with the failure as a value.</summary>
    internal static async Task<ToolResult> TryRunAsync(string program, IEnumerable<string> arguments, string? input, CancellationToken cancellation)
    {
        ProcessStartInfo start = new(Find(program), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LC_ALL"] = "C";
        using Process process = Start(start);

        // The process does not close its pipes once they were used, and this one may run every few seconds for days.
        using Stream standardInput = process.StandardInput.BaseStream;
        using StreamReader standardOutput = process.StandardOutput, standardError = process.StandardError;
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Limit);
        try
        {
            Task<string> output = standardOutput.ReadToEndAsync(limit.Token);
            Task<string> error = standardError.ReadToEndAsync(limit.Token);
            await FeedAsync(standardInput, input, limit.Token).ConfigureAwait(false);
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            return new ToolResult(process.ExitCode, await output.ConfigureAwait(false), await error.ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new IOException($"{program} did not end within {Limit.TotalSeconds:0} seconds.");
        }
        finally
        {
            // Whoever undoes what it was doing must not run beside it.
            if (!process.HasExited)
            {
                process.Kill();
                process.WaitForExit(TimeSpan.FromSeconds(1));
            }

            // Process leaves readers that somebody took to the collector, which a daemon that is mostly idle seldom runs.
            process.StandardOutput.Dispose();
            process.StandardError.Dispose();
        }
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new IOException($"{start.FileName} did not start.");
        }
        catch (System.ComponentModel.Win32Exception fault)
        {
            throw new IOException($"{start.FileName} could not be started: {fault.Message}", fault);
        }
    }

    private static async Task FeedAsync(Stream standardInput, string? input, CancellationToken cancellation)
    {
        try
        {
            if (input is not null)
                await standardInput.WriteAsync(Encoding.UTF8.GetBytes(input), cancellation).ConfigureAwait(false);
            standardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it had read everything; its exit code and what it printed say why.
        }
    }

    /// <summary>The full path of a tool: in the system's own directories, then, unless sudo gave this process root, in PATH.</summary>
    /// <exception cref="IOException">It is not installed.</exception>
    internal static string Find(string program)
    {
        // Where sudo keeps the user's own PATH, what lies in it must not become root's tools.
        bool throughSudo = Posix.geteuid() == 0 && Environment.GetEnvironmentVariable("SUDO_UID") is not null;
        string path = throughSudo ? "" : Environment.GetEnvironmentVariable("PATH") ?? "";
        foreach (string directory in $"{SystemDirectories}:{path}".Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string candidate = Path.Combine(directory, program);
            if (File.Exists(candidate))
                return candidate;
        }

        throw new IOException($"{program} is not installed.");
    }

    private static string FirstLine(string text) => text.Trim().Split('\n')[0];
}

/// <summary>What a tool printed and how it ended.</summary>
internal readonly record struct ToolResult(int ExitCode, string Output, string Error);
