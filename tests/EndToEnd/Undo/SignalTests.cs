namespace Telepresence.EndToEnd.Undo;

/// <summary>Ctrl-C and SIGTERM in each phase of the start.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class SignalTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private const string SlowImage = "registry.example.com/telepresence-k8s:slow";
    private Laptop _laptop = null!;
    private string _before = "";

    public async Task InitializeAsync()
    {
        _laptop = await cluster.SpareAsync();
        _before = await _laptop.SnapshotAsync();
    }

    // Only what a failed test left is there to be quit.
    public async Task DisposeAsync()
    {
        await cluster.ControlAsync("reset");
        await _laptop.TelepresenceAsync("quit");
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public async Task While_the_image_is_pulled(string signal, int exitCode)
    {
        string name = await cluster.NamespaceAsync($"pull-{exitCode}");
        await cluster.ControlAsync("image-fault", SlowImage, "80");
        RunningCommand connect = Begin(name, "--image", SlowImage);
        await connect.SaysAsync("image pull");
        await IsUndoneAsync(connect, name, signal, exitCode);
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public async Task While_the_API_server_is_slow_to_make_the_Deployment(string signal, int exitCode)
    {
        string name = await cluster.NamespaceAsync($"slow-{exitCode}");
        await cluster.ControlAsync("slow", "1500");
        RunningCommand connect = Begin(name);
        await connect.SaysAsync("Launching Telepresence Root Daemon");
        await IsUndoneAsync(connect, name, signal, exitCode);
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public async Task While_the_proxy_does_not_answer_yet(string signal, int exitCode)
    {
        string name = await cluster.NamespaceAsync($"handshake-{exitCode}");
        await cluster.ControlAsync("stall-port-forwards", "60");
        RunningCommand connect = Begin(name);
        await Eventually.HoldsAsync("the proxy pod runs", async () =>
            (await cluster.Api.GetAsync($"/api/v1/namespaces/{name}/pods"))["items"]!.AsArray().Any(static pod => (string?)pod!["status"]?["phase"] == "Running"));
        await IsUndoneAsync(connect, name, signal, exitCode);
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public async Task At_the_very_beginning(string signal, int exitCode)
    {
        string name = await cluster.NamespaceAsync($"beginning-{exitCode}");
        RunningCommand connect = Begin(name);

        // As soon as there is a process; should the runtime not have got to signal handlers yet, it simply ends by the signal.
        await Eventually.HoldsAsync("there is a process", async () => await _laptop.SignalAsync(signal, "connect") > 0);
        CommandResult result = await connect.EndAsync();
        Assert.NotEqual(0, result.ExitCode);
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftSoonAsync(name);
    }

    [Fact]
    public async Task While_a_command_runs_in_a_connection_of_its_own()
    {
        string name = await cluster.NamespaceAsync("own-command");
        RunningCommand connect = _laptop.Begin(PracticeClusterFixture.Program, "connect", "--namespace", name, "--", "sh", "-c", "echo begun; exec sleep 80");
        await connect.SaysAsync("begun");
        await IsUndoneAsync(connect, name, "TERM", 143);
    }

    [Fact]
    public async Task The_front_end_s_own_death_while_it_waits_undoes_everything()
    {
        string name = await cluster.NamespaceAsync("front-end");
        await cluster.ControlAsync("image-fault", SlowImage, "80");
        RunningCommand connect = Begin(name, "--image", SlowImage);
        await connect.SaysAsync("image pull");
        Assert.InRange(await _laptop.SignalAsync("KILL", "connect"), 1, int.MaxValue);
        await connect.EndAsync();
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftSoonAsync(name);
    }

    private RunningCommand Begin(string name, params string[] options) => _laptop.Begin([PracticeClusterFixture.Program, "connect", "--namespace", name, .. options]);

    private async Task IsUndoneAsync(RunningCommand connect, string name, string signal, int exitCode)
    {
        Assert.InRange(await _laptop.SignalAsync(signal, "connect"), 1, int.MaxValue);
        CommandResult result = await connect.EndAsync();
        Assert.True(result.ExitCode == exitCode, $"exit code {exitCode} was expected; {result}");
        Assert.DoesNotContain("error", result.Error, StringComparison.Ordinal);
        Assert.Empty(await cluster.ProxiesAsync(name));
        await cluster.ControlAsync("reset");
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftAsync(name);
    }
}
