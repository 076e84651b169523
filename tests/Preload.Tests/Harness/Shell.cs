using System.Diagnostics;

namespace Telepresence.Preload.Tests.Harness;

/// <summary>What a program printed and how it ended.</summary>
internal sealed record Output(int ExitCode, string Text, string Errors)
{
    /// <summary>All of it, so that a comparison that fails shows why.</summary>
    public override string ToString() => $"{Text}{(Errors.Length > 0 ? $"stderr: {Errors}" : "")}exit code {ExitCode}\n";
}

/// <summary>Runs programs to their end.</summary>
internal static class Shell
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    internal static async Task<Output> RunAsync(string input, params string[] command)
    {
        using Process process = Start(command);
        Task<string> text = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended without reading.
        }

        using CancellationTokenSource patience = new(Patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
            return new Output(process.ExitCode, await text.WaitAsync(patience.Token), await errors.WaitAsync(patience.Token));
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{string.Join(' ', command)} does not end.");
        }
    }

    /// <summary>Runs a command that must succeed.</summary>
    internal static async Task<string> MustAsync(params string[] command)
    {
        Output output = await RunAsync("", command);
        Assert.True(output.ExitCode == 0, $"{string.Join(' ', command)}\n{output}");
        return output.Text;
    }

    internal static Process Start(params string[] command)
    {
        ProcessStartInfo start = new(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("DOTNET_ROLL_FORWARD");
        return Process.Start(start)!;
    }
}
