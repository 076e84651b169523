using System.Diagnostics;

using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Tests.Machine;

public sealed class ToolTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task It_is_fed_and_says_what_it_printed_and_how_it_ended()
    {
        ToolResult result = await Tool.TryRunAsync("sh", ["-c", "cat; echo trouble >&2; exit 3"], "text", default);
        Assert.Equal(new ToolResult(3, "text", "trouble\n"), result);
    }

    [Fact]
    public async Task One_that_ends_before_it_has_read_its_input_fails_for_its_own_reason()
    {
        IOException failure = await Assert.ThrowsAsync<IOException>(() => Tool.RunAsync("sh", ["-c", "echo no >&2; exit 1"], new string('x', 1 << 20), default));
        Assert.EndsWith("failed: no", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_is_cancelled_is_gone_before_anything_else_is_done()
    {
        string mark = Path.GetTempFileName();
        using CancellationTokenSource stop = new();
        Task running = Tool.TryRunAsync("sh", ["-c", "echo $$ >\"$0\"; exec sleep 1000", mark], null, stop.Token);
        string pid = "";
        while (pid.Length == 0)
            pid = (await File.ReadAllTextAsync(mark, default)).Trim();
        long since = Stopwatch.GetTimestamp();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);

        // One that the kernel does not end at once is waited for, but for no more than a second.
        bool gone = !Directory.Exists($"/proc/{pid}");
        Assert.True(gone || Stopwatch.GetElapsedTime(since) >= TimeSpan.FromSeconds(0.9), "it was not waited for");
        Assert.True(SpinWait.SpinUntil(() => !Directory.Exists($"/proc/{pid}"), Patience));
        File.Delete(mark);
    }

    [Fact]
    public async Task One_that_is_not_installed_or_no_program_is_named()
    {
        Assert.Equal("no-such-tool is not installed.", (await Assert.ThrowsAsync<IOException>(() => Tool.RunAsync("no-such-tool", [], null, default))).Message);
        string file = Path.GetTempFileName();
        Assert.StartsWith(file, (await Assert.ThrowsAsync<IOException>(() => Tool.RunAsync(file, [], null, default))).Message, StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public async Task Nothing_of_it_stays_open()
    {
        using Process helper = Process.Start(new ProcessStartInfo("dotnet", [typeof(ToolTests).Assembly.Location, "tools"]) { RedirectStandardOutput = true })!;
        string[] pipes = (await helper.StandardOutput.ReadToEndAsync().WaitAsync(2 * Patience)).Trim().Split(' ');
        Assert.Equal(2, pipes.Length);
        Assert.Equal(pipes[0], pipes[1]);
    }
}
