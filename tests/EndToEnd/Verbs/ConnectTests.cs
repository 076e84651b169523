using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Verbs;

/// <summary>Connecting and disconnecting, each test on a laptop of its own.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class ConnectTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.LaptopAsync();

    public async Task DisposeAsync() => await _laptop.DisposeAsync();

    [Fact]
    public async Task Connect_says_what_it_starts_and_where_it_is_and_quit_puts_everything_back()
    {
        string name = await cluster.NamespaceAsync("roundtrip");
        string before = await _laptop.SnapshotAsync();
        CommandResult connect = await _laptop.TelepresenceAsync("connect", "--namespace", name);
        Assert.Equal(
            $"Launching Telepresence User Daemon\nLaunching Telepresence Root Daemon\nConnected to context practice, namespace {name} ({cluster.Server})",
            connect.Good());
        Assert.NotEqual(before, await _laptop.SnapshotAsync());
        Assert.Single(await cluster.ProxiesAsync(name));
        Assert.Equal("Disconnected", (await _laptop.TelepresenceAsync("quit")).Good());
        await _laptop.IsAsBeforeAsync(before);
        await cluster.NothingLeftAsync(name);
        Assert.Equal("Not connected", (await _laptop.TelepresenceAsync("quit")).Good());
    }

    [Fact]
    public async Task A_command_runs_inside_a_connection_of_its_own_and_its_exit_code_is_passed_on()
    {
        string name = await cluster.NamespaceAsync("command");
        string before = await _laptop.SnapshotAsync();
        const string script = """
            # A part that is busy is left out.
            while s=$(telepresence status); do
              case $s in *"Not running"* | *": Busy"*) sleep 0.1 ;; *) break ;; esac
            done
            echo "$s"
            curl -sS http://helloworld.default/ | grep title
            exit 113
            """;
        CommandResult run = await _laptop.TelepresenceAsync("connect", "--namespace", name, "--", "sh", "-c", script);
        Assert.Equal(113, run.ExitCode);
        Assert.StartsWith("OSS User Daemon: Running\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("OSS Traffic Manager: Connected", run.Output, StringComparison.Ordinal);
        Assert.Contains("<title>Welcome to nginx!</title>", run.Output, StringComparison.Ordinal);
        Assert.Contains("Disconnected", run.Error, StringComparison.Ordinal);
        await _laptop.IsAsBeforeAsync(before);
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task A_command_that_does_not_exist_is_told_before_anything_is_changed()
    {
        (await _laptop.TelepresenceAsync("connect", "--", "no-such-program")).Refused(127, "no-such-program");
        Assert.Equal("Not connected", (await _laptop.TelepresenceAsync("quit")).Good());
    }

    [Fact]
    public async Task Kubeconfig_context_and_namespace_are_as_given()
    {
        string elsewhere = Path.Combine(_laptop.Home, "elsewhere.json");
        File.Move(_laptop.Environment["KUBECONFIG"], elsewhere);
        _laptop.Environment.Remove("KUBECONFIG");
        CommandResult connect = await _laptop.TelepresenceAsync("connect", "--kubeconfig", elsewhere, "--context", "practice-dev", "--namespace", "team");
        Assert.EndsWith($"Connected to context practice-dev, namespace team ({cluster.Server})", connect.Good(), StringComparison.Ordinal);
        Assert.Contains("nginx", (await _laptop.RunAsync("curl", "-sS", "http://helloworld.default/")).Good(), StringComparison.Ordinal);
        (await _laptop.TelepresenceAsync("quit")).Good();
        await cluster.NothingLeftAsync("team");
    }

    [Fact]
    public async Task Short_names_are_those_of_the_namespace_given()
    {
        await _laptop.ConnectAsync("--namespace", "other");
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", "http://files/")).Good());
        Assert.NotEqual(0, (await _laptop.RunAsync("curl", "-sS", "--max-time", "10", "http://helloworld/")).ExitCode);
        (await _laptop.TelepresenceAsync("quit")).Good();
        await cluster.NothingLeftAsync("other");
    }

    [Fact]
    public async Task Connect_and_quit_put_what_they_say_into_json_when_asked()
    {
        string name = await cluster.NamespaceAsync("json");
        CommandResult connect = await _laptop.TelepresenceAsync("connect", "--namespace", name, "--output", "json");
        JsonNode connected = JsonNode.Parse(connect.Good())!;
        Assert.Empty(connect.Error);
        Assert.Equal("connect", (string?)connected["cmd"]);
        Assert.EndsWith($"Connected to context practice, namespace {name} ({cluster.Server})\n", (string?)connected["stdout"], StringComparison.Ordinal);
        Assert.Equal("Disconnected\n", (string?)JsonNode.Parse((await _laptop.TelepresenceAsync("quit", "--output", "json")).Good())!["stdout"]);
        JsonNode refused = JsonNode.Parse((await _laptop.TelepresenceAsync("connect", "--context", "no-such-context", "--output", "json")).Output)!;
        Assert.Contains("no-such-context", (string?)refused["err"], StringComparison.Ordinal);
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task Two_connects_at_once_make_one_connection()
    {
        string name = await cluster.NamespaceAsync("twice");
        RunningCommand[] both = [_laptop.Begin(PracticeClusterFixture.Program, "connect", "--namespace", name), _laptop.Begin(PracticeClusterFixture.Program, "connect", "--namespace", name)];
        foreach (RunningCommand one in both)
            (await one.EndAsync()).Good();
        Assert.Single(await cluster.ProxiesAsync(name));
        (await _laptop.TelepresenceAsync("quit")).Good();
        await cluster.NothingLeftAsync(name);
    }
}
