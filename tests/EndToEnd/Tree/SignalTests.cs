namespace Telepresence.EndToEnd.Tree;

/// <summary>Ctrl-C, SIGTERM and SIGHUP in each phase of a session.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class SignalTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    private const string SlowImage = "registry.example.com/telepresence-k8s:slow";

    [Theory]
    [InlineData("INT", Way.NetnsAsJane)]
    [InlineData("TERM", Way.NetnsAsRoot)]
    [InlineData("HUP", Way.PreloadAsJane)]
    public async Task While_the_image_is_pulled(string signal, Way way)
    {
        await Cluster.ControlAsync("image-fault", SlowImage, "80");
        await IsUndoneAsync($"tree-pull-{signal}", way, signal, "image pull", "--image", SlowImage);
    }

    [Theory]
    [InlineData("INT", Way.NetnsAsJane)]
    [InlineData("TERM", Way.PreloadAsJane)]
    [InlineData("HUP", Way.NetnsAsRoot)]
    public async Task While_the_API_server_is_slow(string signal, Way way)
    {
        (string name, string before) = await NamespaceAsync($"tree-slow-{signal}".ToLowerInvariant());
        await Cluster.ControlAsync("slow", "700");
        RunningCommand session = Begin(name, way);
        await Eventually.HoldsAsync("kubectl runs", async () => await Laptop.SignalMatchingAsync("0", "*kubectl proxy*") > 0);
        await EndsAsync(session, signal, name, before);
    }

    [Theory]
    [InlineData("INT", Way.NetnsAsRoot)]
    [InlineData("TERM", Way.NetnsAsJane)]
    [InlineData("HUP", Way.NetnsAsJane)]
    [InlineData("TERM", Way.NetnsWithSudo)]
    public async Task While_the_proxy_does_not_answer_yet(string signal, Way way)
    {
        (string name, string before) = await NamespaceAsync($"tree-handshake-{signal}-{way.Label()}".ToLowerInvariant());
        await Cluster.ControlAsync("stall-port-forwards", "60");
        RunningCommand session = Begin(name, way);
        await Eventually.HoldsAsync("the proxy pod runs", async () =>
            (await Cluster.Api.GetAsync($"/api/v1/namespaces/{name}/pods"))["items"]!.AsArray().Any(static pod => (string?)pod!["status"]?["phase"] == "Running"));
        await EndsAsync(session, signal, name, before);
    }

    [Theory]
    [InlineData("INT", Way.NetnsAsJane)]
    [InlineData("TERM", Way.NetnsAsJane)]
    public async Task At_the_very_beginning(string signal, Way way)
    {
        (string name, string before) = await NamespaceAsync($"tree-begin-{signal}".ToLowerInvariant());
        RunningCommand session = Begin(name, way);

        // The runtime may not have got to signal handlers yet; then it ends by the signal.
        await Eventually.HoldsAsync("there is a process", async () => await Laptop.SignalMatchingAsync(signal, SessionProcess) > 0);
        Assert.NotEqual(124, (await session.EndAsync()).ExitCode);
        await Cluster.IsAsBeforeAsync(name, before);
        await IsWhollyAsBeforeAsync();
    }

    [Theory]
    [InlineData("TERM", Way.NetnsAsRoot)]
    [InlineData("HUP", Way.NetnsAsJane)]
    [InlineData("TERM", Way.NetnsWithSudo)]
    [InlineData("TERM", Way.PreloadAsJane)]
    public async Task While_the_command_runs_which_gets_it_too(string signal, Way way)
    {
        (string name, string before) = await NamespaceAsync($"tree-run-{signal}-{way.Label()}".ToLowerInvariant());
        RunningCommand session = Begin(name, way, "trap 'echo told; exit 0' TERM HUP; echo begun; while :; do sleep 0.1; done");
        await session.SaysAsync("begun");
        CommandResult result = await EndsAsync(session, signal, name, before);
        Assert.Contains("told", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_that_ignores_it_is_ended_all_the_same()
    {
        (string name, string before) = await NamespaceAsync("tree-ignored");
        RunningCommand session = Begin(name, Way.NetnsAsJane, "trap '' TERM HUP INT; echo begun; while :; do sleep 0.1; done");
        await session.SaysAsync("begun");
        await EndsAsync(session, "TERM", name, before);
    }

    [Theory]
    [InlineData(Way.NetnsAsJane)]
    [InlineData(Way.PreloadAsJane)]
    public async Task Ctrl_C_while_a_command_runs_is_the_command_s(Way way)
    {
        (string name, string before) = await NamespaceAsync($"tree-ctrl-c-{way.Label()}");
        LaptopUser user = Laptop.As(way.Person());
        await using TerminalWindow window = user.Open(user.Telepresence(
            "--namespace", name, "--new-deployment", "signals", "--method", way.Method(), "--run", "bash", "-c", "trap 'echo interrupted; exit 6' INT; echo begun | tr a-z A-Z; while :; do sleep 0.1; done"));
        await window.ShowsAsync("BEGUN");
        window.Type("\x03");
        await window.ShowsAsync("interrupted");
        Assert.Equal(6, await window.EndAsync());
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task Ctrl_C_at_a_terminal_while_it_starts_takes_everything_back()
    {
        (string name, string before) = await NamespaceAsync("tree-ctrl-c-early");
        await Cluster.ControlAsync("image-fault", SlowImage, "80");
        LaptopUser jane = Laptop.As(Person.Jane);
        await using TerminalWindow window = jane.Open(jane.Telepresence("--namespace", name, "--new-deployment", "signals", "--image", SlowImage, "--run-shell"));
        await window.ShowsAsync("image pull");
        window.Type("\x03");
        Assert.Equal(0, await window.EndAsync());
        await IsAsItWasAsync(name, before);
    }

    private RunningCommand Begin(string name, Way way, string script = "sleep 80", params string[] options) => Laptop.As(way.Person()).BeginTelepresence(
        ["--namespace", name, "--new-deployment", "signals", "--expose", "8084", "--method", way.Method(), .. options, "--run", "sh", "-c", script]);

    private async Task IsUndoneAsync(string namespaceName, Way way, string signal, string phase, params string[] options)
    {
        (string name, string before) = await NamespaceAsync(namespaceName.ToLowerInvariant());
        RunningCommand session = Begin(name, way, options: options);
        await session.SaysAsync(phase);
        await EndsAsync(session, signal, name, before);
    }

    private async Task<CommandResult> EndsAsync(RunningCommand session, string signal, string name, string before)
    {
        Assert.InRange(await Laptop.SignalMatchingAsync(signal, SessionProcess), 1, int.MaxValue);
        CommandResult result = await session.EndAsync();
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.DoesNotContain("error", result.Error, StringComparison.Ordinal);
        await Cluster.ControlAsync("reset");
        await IsAsItWasAsync(name, before);
        await IsWhollyAsBeforeAsync();
        return result;
    }
}
