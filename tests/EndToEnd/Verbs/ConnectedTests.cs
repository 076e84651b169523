using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Verbs;

/// <summary>What the verbs say while connected, on a connection that other tests share.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class ConnectedTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.ConnectedAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Status_shows_a_block_for_each_part_with_aligned_keys()
    {
        string status = await Eventually.GivesAsync(
            "all parts answer",
            async () => (await _laptop.TelepresenceAsync("status")).Good(),
            static text => !text.Contains("Not running", StringComparison.Ordinal) && !text.Contains("Traffic Manager: Busy", StringComparison.Ordinal));
        string[] lines = status.Split('\n');
        Assert.Equal("OSS User Daemon: Running", lines[0]);
        Assert.Contains("OSS Root Daemon: Running", lines);
        Assert.Contains("OSS Traffic Manager: Connected", lines);
        Assert.Matches(@"(?m)^  Status +: Connected$", status);
        Assert.Matches($@"(?m)^  Kubernetes server +: {cluster.Server}$", status);
        Assert.Matches(@"(?m)^  Kubernetes context *: practice$", status);
        Assert.Matches(@"(?m)^  Namespace +: default$", status);
        Assert.Matches(@"(?m)^  Subnets: \(\d+ subnets\)$", status);
        Assert.Contains("  - 10.96.0.0/16", lines);
        Assert.Contains("  - 10.244.0.0/16", lines);
        string[] table = [.. lines.Skip(1).TakeWhile(static line => line.StartsWith("  ", StringComparison.Ordinal))];
        Assert.Single(table.Select(static line => line.IndexOf(": ", StringComparison.Ordinal)).Distinct());
    }

    [Fact]
    public async Task Status_as_json_has_the_documented_keys()
    {
        JsonNode status = await _laptop.ConnectedStatusAsync();
        JsonNode user = status["user_daemon"]!, root = status["root_daemon"]!, proxy = status["traffic_manager"]!;
        Assert.True((bool)user["running"]!);
        Assert.Equal("OSS User Daemon", (string?)user["name"]);
        Assert.Equal(PracticeClusterFixture.Version, (string?)user["version"]);
        Assert.Equal(PracticeClusterFixture.Program, (string?)user["executable"]);
        Assert.Equal("Connected", (string?)user["status"]);
        Assert.Equal(cluster.Server, (string?)user["kubernetes_server"]);
        Assert.Equal("practice", (string?)user["kubernetes_context"]);
        Assert.Equal("default", (string?)user["namespace"]);
        Assert.True((bool)root["running"]!);
        Assert.Equal("10.96.0.10", (string?)root["dns"]!["remote_ip"]);
        Assert.NotNull((string?)root["dns"]!["local_ip"]);
        Assert.Contains("cluster.local", root["dns"]!["include_suffixes"]!.AsArray().Select(static suffix => (string?)suffix));
        Assert.Contains("10.96.0.0/16", root["subnets"]!.AsArray().Select(static subnet => (string?)subnet));
        Assert.Contains("fd00:10:244::/64", root["subnets"]!.AsArray().Select(static subnet => (string?)subnet));
        Assert.Contains("198.51.100.10/32", root["also_proxy"]!.AsArray().Select(static subnet => (string?)subnet));
        Assert.Equal(PracticeClusterFixture.Version, (string?)proxy["version"]);
        Assert.Equal("Established", (string?)proxy["session"]);
    }

    [Fact]
    public async Task Version_names_the_version_of_each_part()
    {
        string version = await Eventually.GivesAsync(
            "all parts answer", async () => (await _laptop.TelepresenceAsync("version")).Good(), static text => !text.Contains(": not ", StringComparison.Ordinal));
        Assert.Equal(4, version.Split('\n').Count(line => line.EndsWith($": v{PracticeClusterFixture.Version}", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Connecting_again_to_the_same_target_is_silent_and_succeeds()
    {
        CommandResult again = await _laptop.TelepresenceAsync("connect", "--also-proxy", "198.51.100.10");
        Assert.Empty(again.Good());
        Assert.Empty(again.Error);
        Assert.Single(await cluster.ProxiesAsync("default"));
    }

    [Theory]
    [InlineData("--namespace", "other")]
    [InlineData("--context", "practice-dev")]
    [InlineData("--also-proxy", "10.20.0.0/16")]
    public async Task Connecting_to_another_target_says_to_quit_first(string option, string value) =>
        (await _laptop.TelepresenceAsync("connect", option, value)).Refused(23, "Cluster configuration changed, please quit telepresence and reconnect");

    [Fact]
    public async Task A_command_on_an_existing_connection_leaves_it_connected()
    {
        Assert.Equal("nginx", (await _laptop.TelepresenceAsync("connect", "--also-proxy", "198.51.100.10", "--", "sh", "-c", "curl -sS http://helloworld/ | grep -o nginx | head -1")).Good());
        Assert.Equal("Connected", (string?)(await _laptop.ConnectedStatusAsync())["user_daemon"]!["status"]);
    }
}
