using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Tests.Machine;

public sealed class ToolTests
{
    [Fact]
    public async Task What_a_tool_prints_and_reads_passes_through()
    {
        Assert.Equal("asked\n", await Tool.RunAsync("cat", [], "asked\n", default));
        IOException failure = await Assert.ThrowsAsync<IOException>(() => Tool.RunAsync("sh", ["-c", "echo wrong >&2; exit 3"], null, default));
        Assert.Contains("wrong", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tool_leaves_no_pipe_open_behind_it()
    {
        const int runs = 20;
        await Tool.RunAsync("true", [], "input", default);
        int before = Pipes();
        for (int i = 0; i < runs; i++)
            await Tool.RunAsync("true", [], "input", default);

        // Other tests run tools at the same time, but not as many as that.
        Assert.InRange(Pipes(), 0, before + runs);
    }

    private static int Pipes() => Directory.EnumerateFileSystemEntries("/proc/self/fd")
        .Count(static descriptor => new FileInfo(descriptor).LinkTarget?.StartsWith("pipe:", StringComparison.Ordinal) == true);
}
