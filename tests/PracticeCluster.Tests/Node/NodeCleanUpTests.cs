using System.Diagnostics;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>What is left on the host: nothing, also when the process that made the node is killed.</summary>
[Collection(nameof(NodeCollection))]
public sealed class NodeCleanUpTests
{
    [Fact]
    public async Task Down_leaves_the_host_as_it_was_and_a_second_node_does_not_mind()
    {
        string before = await HostAsync();
        string state = Directory.CreateTempSubdirectory("practice-clean-").FullName;
        var cluster = new FakeCluster();
        await using (var node = new NamespaceNode(NodeFixture.Options(state), cluster, cluster))
        {
            await node.UpAsync(CancellationToken.None);
            var pod = NodeFixture.Pod("default", "web", """{ "containers": [ { "name": "web", "image": "nginx" } ] }""");
            node.StartPod(pod);
            await cluster.WaitAsync(PodKey.Of(pod), report => report.Phase == "Running");
            await using LaptopNamespaces laptop = await LaptopNamespaces.UpAsync(state, "l", detached: false, CancellationToken.None);
            Assert.Equal(before, await HostAsync());
            Assert.NotEmpty(ProcessesBelow(state));
            await node.DownAsync();
        }

        Assert.Equal(before, await HostAsync());
        Assert.Empty(ProcessesBelow(state));
        Assert.False(Directory.Exists(Path.Combine(state, "node")));
        Directory.Delete(state, recursive: true);
    }

    [Fact]
    public async Task Kill_9_takes_every_process_and_mount_with_it()
    {
        string state = Directory.CreateTempSubdirectory("practice-kill-").FullName;
        var start = new ProcessStartInfo(Path.Combine(PracticeServer.Here.Dotnet, "dotnet"))
        {
            ArgumentList = { typeof(NamespaceNode).Assembly.Location, "up", "--state", state },
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        Assert.NotNull(await process.StandardOutput.ReadLineAsync());
        // The cluster's name server is a pod: a process three PID namespaces deep.
        await NodeFixture.EventuallyAsync(() => Task.FromResult(ProcessesBelow(state).Any(p => Mentions(p + "/cmdline", "/run/practice-dns"))));
        process.Kill();
        await process.WaitForExitAsync();
        await NodeFixture.EventuallyAsync(() => Task.FromResult(ProcessesBelow(state).Length == 0));
        await NamespaceNode.RemoveLeftoversAsync(state, CancellationToken.None);
        Assert.False(Directory.Exists(Path.Combine(state, "node")));
        Directory.Delete(state, recursive: true);
    }

    private static async Task<string> HostAsync()
    {
        string links = await Commands.RequireAsync("ip", ["-brief", "link"]);
        string namespaces = await Commands.RequireAsync("ip", ["netns"]);
        string tables = await Commands.RequireAsync("nft", ["list", "tables"]);
        return links + namespaces + tables + await File.ReadAllTextAsync("/proc/self/mounts");
    }

    /// <summary>Processes that have a mount at, or an argument with, a path below the state directory.</summary>
    private static string[] ProcessesBelow(string state) =>
        [.. Directory.EnumerateDirectories("/proc").Where(directory => Mentions(directory + "/cmdline", state) || Mentions(directory + "/mounts", state))];

    private static bool Mentions(string file, string text)
    {
        try
        {
            return File.Exists(file) && File.ReadAllText(file).Contains(text, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
