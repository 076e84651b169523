using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Tests.Machine;

public sealed class ToolTests
{
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
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.False(Directory.Exists($"/proc/{pid}"));
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
        await Tool.RunAsync("true", [], null, default);
        int before = Pipes();
        GC.TryStartNoGCRegion(64 << 20);
        for (int i = 0; i < 20; i++)
            await Tool.RunAsync("true", [], null, default);
        int after = Pipes();
        if (System.Runtime.GCSettings.LatencyMode == System.Runtime.GCLatencyMode.NoGCRegion)
            GC.EndNoGCRegion();
        Assert.InRange(after, 0, before + 10); // other tests run beside this one
    }

    private static int Pipes() =>
        Directory.GetFiles("/proc/self/fd").Count(static fd => new FileInfo(fd).LinkTarget?.StartsWith("pipe:", StringComparison.Ordinal) == true);
}
