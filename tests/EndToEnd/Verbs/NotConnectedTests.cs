using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Verbs;

/// <summary>What the verbs say on a machine that is not connected.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class NotConnectedTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.SpareAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Status_says_that_nothing_runs_and_succeeds()
    {
        CommandResult status = await _laptop.TelepresenceAsync("status");
        Assert.Equal("User Daemon: Not running\nRoot Daemon: Not running\nTraffic Manager: Not connected", status.Good());
        Assert.Empty(status.Error);
    }

    [Fact]
    public async Task Status_as_json_has_both_daemons_not_running()
    {
        JsonNode status = await _laptop.StatusAsync();
        Assert.False((bool)status["user_daemon"]!["running"]!);
        Assert.False((bool)status["root_daemon"]!["running"]!);
        Assert.Equal(["root_daemon", "user_daemon", "traffic_manager"], status.AsObject().Select(static entry => entry.Key));
    }

    [Fact]
    public async Task Quit_says_that_nothing_was_connected_and_succeeds()
    {
        Assert.Equal("Not connected", (await _laptop.TelepresenceAsync("quit")).Good());
        Assert.Equal("Telepresence Daemons quitting...done", (await _laptop.TelepresenceAsync("quit", "-s")).Good());
    }

    [Fact]
    public async Task Version_needs_neither_kubeconfig_nor_daemon()
    {
        _laptop.Environment["KUBECONFIG"] = "/dev/null";
        string version = PracticeClusterFixture.Version;
        Assert.Equal(version, (await _laptop.TelepresenceAsync("--version")).Good());
        Assert.Equal(
            $"OSS Client         : v{version}\nOSS Root Daemon    : not running\nOSS User Daemon    : not running\nOSS Traffic Manager: not connected",
            (await _laptop.TelepresenceAsync("version")).Good());
    }

    [Fact]
    public async Task Verbs_that_print_text_put_it_into_json_when_asked()
    {
        JsonNode quit = JsonNode.Parse((await _laptop.TelepresenceAsync("quit", "--output", "json")).Good())!;
        Assert.Equal("quit", (string?)quit["cmd"]);
        Assert.Equal("Not connected\n", (string?)quit["stdout"]);
    }

    [Theory]
    [InlineData("help")]
    [InlineData("--help")]
    public async Task Help_names_every_verb(string how)
    {
        string help = (await _laptop.TelepresenceAsync(how)).Good();
        foreach (string verb in (string[])["connect", "status", "quit", "version"])
            Assert.Contains(verb, help, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_of_connect_names_every_option()
    {
        string help = (await _laptop.TelepresenceAsync("help", "connect")).Good();
        foreach (string option in (string[])["--context", "--namespace", "--kubeconfig", "--also-proxy", "--never-proxy", "--all", "--dns-suffix", "--logfile", "--verbose"])
            Assert.Contains(option, help, StringComparison.Ordinal);
    }
}
