using System.Diagnostics;

namespace Telepresence.Cli.Machine;

/// <summary>Runs a small system tool to its end.</summary>
internal static class Tool
{
    /// <summary>Runs <paramref name="program"/> and gives what it printed.</summary>
    /// <param name="program">Name, looked up in PATH and in the system's own directories, which an ordinary user's PATH lacks.</param>
    /// <param name="arguments">Arguments, one each.</param>
    /// <param name="input">What it reads, or null.</param>
    /// <param name="cancellation">Ends the tool.</param>
    /// <exception cref="IOException">It is not installed or failed; the message says what it printed.</exception>
    internal static async Task<string> RunAsync(string program, IEnumerable<string> arguments, string? input, CancellationToken cancellation)
    {
        ToolResult result = await TryRunAsync(program, arguments, input, cancellation).ConfigureAwait(false);
        if (result.ExitCode != 0)
            throw new IOException($"{program} {string.Join(' ', arguments)} failed: {FirstLine(result.Error)}", result.ExitCode);
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
        using Process process = Process.Start(start) ?? throw new IOException($"{program} did not start.");
        try
        {
            if (input is not null)
                await process.StandardInput.WriteAsync(input.AsMemory(), cancellation).ConfigureAwait(false);
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation);
            Task<string> error = process.StandardError.ReadToEndAsync(cancellation);
            await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
            return new ToolResult(process.ExitCode, await output.ConfigureAwait(false), await error.ConfigureAwait(false));
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    /// <summary>The full path of a tool.</summary>
    /// <exception cref="IOException">It is not installed.</exception>
    internal static string Find(string program)
    {
        string path = Environment.GetEnvironmentVariable("PATH") ?? "";
        foreach (string directory in $"{path}:/usr/sbin:/sbin:/usr/bin:/bin".Split(':', StringSplitOptions.RemoveEmptyEntries))
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
