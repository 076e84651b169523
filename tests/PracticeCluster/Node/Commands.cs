using System.Diagnostics;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Runs the system's own tools (ip, nft, conntrack, ...), with input from a string.</summary>
internal static class Commands
{
    internal const string NsEnter = "/usr/bin/nsenter";
    internal const string Unshare = "/usr/bin/unshare";
    internal const string Shell = "/bin/sh";

    internal sealed record Result(int ExitCode, string Output, string Error);

    /// <summary>What the helpers themselves run with; a container's variables must not reach them.</summary>
    internal static ProcessStartInfo Prepare(string file, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(file)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["LC_ALL"] = "C";
        return start;
    }

    internal static async Task<Result> RunAsync(
        string file, IEnumerable<string> arguments, string input = "", CancellationToken cancel = default)
    {
        using var process = Process.Start(Prepare(file, arguments)) ?? throw new NodeException($"cannot start {file}");
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancel);
            Task<string> error = process.StandardError.ReadToEndAsync(cancel);
            try
            {
                await process.StandardInput.WriteAsync(input.AsMemory(), cancel);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // The tool ended without reading its input; its exit code and its message say why.
            }

            await process.WaitForExitAsync(cancel);
            return new Result(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <exception cref="NodeException">The tool failed; the message is what it said.</exception>
    internal static async Task<string> RequireAsync(
        string file, IEnumerable<string> arguments, string input = "", CancellationToken cancel = default)
    {
        string[] list = [.. arguments];
        Result result = await RunAsync(file, list, input, cancel);
        return result.ExitCode == 0
            ? result.Output
            : throw new NodeException($"{file} {string.Join(' ', list)} failed ({result.ExitCode}): {result.Error.Trim()}");
    }

    /// <summary>Quotes one word for a POSIX shell.</summary>
    internal static string Quote(string word) => $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    /// <summary>One line of quoted words.</summary>
    internal static string Quote(IEnumerable<string> words)
    {
        var line = new StringBuilder();
        foreach (string word in words)
            line.Append(line.Length == 0 ? "" : " ").Append(Quote(word));
        return line.ToString();
    }
}
