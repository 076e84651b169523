using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Tests.Machine;

/// <summary><c>tools</c> runs a tool many times, in a process where nothing else opens a pipe, and prints how many there are at first and in the end.</summary>
internal static class ToolHelper
{
    internal static async Task<int> RunAsync()
    {
        // The collector would close what a tool has left open.
        GC.TryStartNoGCRegion(64 << 20);
        await Tool.RunAsync("true", [], null, default);
        int before = Pipes();
        for (int i = 0; i < 20; i++)
        {
            // The thread that has read the end of a pipe may hold it for a moment longer, which is not to count.
            await Tool.RunAsync("true", [], null, default);
            before = Math.Min(before, Pipes());
        }

        // So seldom that the looks themselves do not call for the collector.
        int after = Pipes();
        for (int look = 0; look < 600 && after > before; look++)
        {
            await Task.Delay(100);
            after = Pipes();
        }

        Console.WriteLine($"{before} {after}");
        return 0;
    }

    private static int Pipes() =>
        Directory.GetFiles("/proc/self/fd").Count(static fd => new FileInfo(fd).LinkTarget?.StartsWith("pipe:", StringComparison.Ordinal) == true);
}
