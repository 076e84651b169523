using System.Text.RegularExpressions;

namespace Telepresence.Tunnel.Tests;

/// <summary>What docs/ARCHITECTURE.md promises of the source tree and the compiler does not check.</summary>
public sealed partial class ArchitectureTests
{
    private static readonly string Repository = FindRepository();

    [Theory]
    [InlineData("src/Tunnel/Wire")]
    [InlineData("src/Tunnel/Buffers")]
    [InlineData("src/Tunnel/Stack")]
    [InlineData("src/Tunnel/Mux")]
    [InlineData("src/Dns")]
    public void State_machines_have_no_clock_no_socket_no_task_and_no_lock(string folder) =>
        AssertNowhere(folder, ImpureCode());

    [Theory]
    [InlineData("src/Tunnel/Wire", "Buffers|Stack|Mux|Io|Tun|Forward")]
    [InlineData("src/Tunnel/Buffers", "Wire|Stack|Mux|Io|Tun|Forward")]
    [InlineData("src/Tunnel/Stack", "Mux|Io|Tun|Forward")]
    [InlineData("src/Tunnel/Mux", "Wire|Stack|Io|Tun|Forward")]
    [InlineData("src/Tunnel/Io", "Wire|Stack|Mux|Tun|Forward")]
    [InlineData("src/Tunnel/Tun", "Wire|Stack|Mux|Forward")]
    public void Folders_know_only_those_below_them(string folder, string above) =>
        AssertNowhere(folder, new Regex($@"^using Telepresence\.Tunnel\.({above})\b"));

    [Theory]
    [InlineData("src/Dns", "Tunnel|Cli|Proxy")]
    [InlineData("src/Tunnel", "Dns|Cli|Proxy")]
    [InlineData("src/Proxy", "Dns|Cli")]
    [InlineData("src/Cli/Machine", @"Cli\.(Cluster|Commands)")]
    [InlineData("src/Cli/Cluster", @"Cli\.(Engine|Commands)")]
    [InlineData("src/Cli/Engine", @"Cli\.(Cluster|Commands|Daemon|Machine)")]
    public void Projects_and_their_parts_know_only_those_below_them(string folder, string above) =>
        AssertNowhere(folder, new Regex($@"^using Telepresence\.({above})\b"));

    [Fact]
    public void Nothing_is_async_void() => AssertNowhere("src", AsyncVoid());

    [GeneratedRegex(@"\b(Stopwatch|DateTime|DateTimeOffset|TimeProvider|Environment\.TickCount|Thread|Task|Socket|Timer|CancellationToken)\b(?!s)[.<( ]|\block *\(|\basync\b")]
    private static partial Regex ImpureCode();

    [GeneratedRegex(@"\basync void\b")]
    private static partial Regex AsyncVoid();

    private static void AssertNowhere(string folder, Regex forbidden)
    {
        string directory = Path.Combine(Repository, folder);
        string[] files = [.. Directory.EnumerateFiles(directory, "*.cs", SearchOption.AllDirectories).Where(static file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal))];
        Assert.NotEmpty(files);
        Assert.Empty(files.SelectMany(file => File.ReadLines(file)
            .Select((line, index) => (Line: line, Number: index + 1))
            .Where(entry => !entry.Line.TrimStart().StartsWith("//", StringComparison.Ordinal) && forbidden.IsMatch(entry.Line))
            .Select(entry => $"{Path.GetRelativePath(Repository, file)}:{entry.Number}: {entry.Line.Trim()}")));
    }

    private static string FindRepository()
    {
        string? directory = AppContext.BaseDirectory;
        while (directory is not null && !File.Exists(Path.Combine(directory, "Telepresence.sln")))
            directory = Path.GetDirectoryName(directory);
        return directory ?? throw new InvalidOperationException($"No Telepresence.sln above {AppContext.BaseDirectory}.");
    }
}
