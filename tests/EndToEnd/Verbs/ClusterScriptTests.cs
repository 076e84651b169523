using System.Diagnostics;

namespace Telepresence.EndToEnd.Verbs;

/// <summary>The practice cluster that <c>./dev cluster</c> makes for trying things by hand.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class ClusterScriptTests
{
    private static readonly string State = $"/var/lib/telepresence-practice-of-test-{Environment.ProcessId}";

    [Fact]
    public async Task It_stays_until_it_is_taken_down_and_its_laptop_connects()
    {
        try
        {
            await RunAsync("up");
            string page = await RunAsync("shell", "sh", "-c", "telepresence connect >&2 && curl -sS --max-time 20 http://helloworld/ && telepresence quit >&2");
            Assert.Contains("Welcome to nginx!", page, StringComparison.Ordinal);
        }
        finally
        {
            await RunAsync("down");
        }

        Assert.False(Directory.Exists(State));
    }

    private static async Task<string> RunAsync(params string[] arguments)
    {
        ProcessStartInfo start = new(Path.Combine(PracticeClusterFixture.Repository, "scripts/cluster"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["TELEPRESENCE_PRACTICE"] = State },
        };
        using Process process = Process.Start(start)!;
        Task<string> said = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"scripts/cluster {arguments[0]}: {await said}");
        return output;
    }
}
