using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Tree;

/// <summary>Other terminals at a session that is up.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class JoinTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_command_from_another_terminal_is_inside_and_its_exit_code_is_passed_on(Way way)
    {
        TreeShell inside = await Cluster.SessionAsync(way);
        LaptopUser user = inside.User;
        if (way == Way.NetnsWithSudo) // the namespaces are root's
            (await user.JoinAsync(PracticeClusterFixture.Program, "run", "--", "true")).Refused(30, "sudo");
        CommandResult run = await user.JoinAsync(user.Telepresence("run", "--", "sh", "-c", "curl -sS http://files.other/; echo $MYENV; cat /etc/settings/colour; id -un; pwd; exit 42"));
        Assert.Equal(42, run.ExitCode);
        Assert.Equal($"practice\nhello\nblue{way.User()}\n{user.Home}\n", run.Output);
        Assert.Equal("practice", (await user.JoinAsync(user.Telepresence("run", "--session", PracticeClusterFixture.SharedName(way), "--", "curl", "-sS", "http://files.other/"))).Good());
    }

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task A_shell_from_another_terminal_is_inside(Way way)
    {
        TreeShell inside = await Cluster.SessionAsync(way);
        await using TerminalWindow window = inside.User.Open(PracticeClusterFixture.Program, "shell");
        await window.ShowsAsync("@practice|");
        window.Enter("curl -sS http://files.other/ | tr a-z A-Z; exit 5");
        await window.ShowsAsync("PRACTICE");
        Assert.Equal(5, await window.EndAsync());
    }

    [Fact]
    public async Task Two_shells_at_once_are_both_listed_and_several_want_a_choice()
    {
        string name = await Cluster.NamespaceAsync("two");
        LaptopUser jane = Laptop.As(Person.Jane);
        await using TreeShell one = await TreeShell.StartAsync(jane, "--namespace", name, "--new-deployment", "one", "--expose", "8081");
        await using TreeShell two = await TreeShell.StartAsync(jane, "--namespace", name, "--new-deployment", "two", "--method", "preload");
        Assert.Equal("practice", (await one.RunAsync("curl -sS http://files.other/")).Good());
        Assert.Equal("practice", (await two.RunAsync("curl -sS http://files.other/")).Good());

        // A session that is too busy to answer is not listed.
        JsonNode status = await Eventually.GivesAsync(
            "both are listed",
            async () => JsonNode.Parse((await jane.RunAsync(PracticeClusterFixture.Program, "status", "--output", "json")).Good())!,
            static status => status["connections"]?.AsArray().Count == 2);
        JsonArray connections = status["connections"]!.AsArray();
        Assert.Equal(["one", "two"], connections.Select(static connection => (string?)connection!["name"]).Order());
        Assert.All(connections, connection =>
        {
            Assert.Equal("Connected", (string?)connection!["status"]);
            Assert.Equal("practice", (string?)connection["kubernetes_context"]);
            Assert.Equal(name, (string?)connection["namespace"]);
            Assert.Equal(Cluster.Server, (string?)connection["kubernetes_server"]);
        });
        Assert.Equal(["netns", "preload"], connections.Select(static connection => (string?)connection!["method"]).Order());
        await Eventually.GivesAsync(
            "both are listed", async () => (await jane.RunAsync(PracticeClusterFixture.Program, "status")).Good(), static text => Names(text, "Session one: ", "Session two: "));

        CommandResult several = await Eventually.GivesAsync(
            "both are found", () => jane.RunAsync(PracticeClusterFixture.Program, "run", "--", "true"), static result => Names(result.Error, "one", "two"));
        several.Refused(83, "one", "two", "--session");
        (await jane.RunAsync(PracticeClusterFixture.Program, "run", "--session", "three", "--", "true")).Refused(83, "three");
        Assert.StartsWith("two-", (await jane.JoinAsync(PracticeClusterFixture.Program, "run", "--session", "two", "--", "printenv", "TELEPRESENCE_POD")).Good(), StringComparison.Ordinal);

        // Sessions are their user's own.
        (await Laptop.As(Person.Root).RunAsync(PracticeClusterFixture.Program, "run", "--session", "one", "--", "true")).Refused(83, "one");
        Assert.Equal(0, (await one.EndAsync()).ExitCode);
        Assert.Equal("practice", (await two.RunAsync("curl -sS http://files.other/")).Good());
        Assert.Equal(0, (await two.EndAsync()).ExitCode);
        await Cluster.NothingLeftAsync(name);
    }

    [Theory]
    [InlineData("run", "--", "true")]
    [InlineData("shell")]
    [InlineData("env")]
    public async Task Without_a_session_there_is_nothing_to_join(params string[] command) =>
        (await Laptop.As(Person.Jane).TelepresenceAsync(command)).Refused(83, "--run-shell");

    [Fact]
    public async Task Quit_leaves_living_sessions_alone_and_takes_back_what_killed_ones_left()
    {
        (string name, string before) = await NamespaceAsync("quit");
        LaptopUser jane = Laptop.As(Person.Jane);
        TreeShell killed = await TreeShell.StartAsync(jane, "--namespace", name, "--new-deployment", "killed");
        await Laptop.SignalMatchingAsync("KILL", "/bin/sh -c *telepresence-guardian*"); // before there is anything for it to do
        await Laptop.SignalMatchingAsync("KILL", "/bin/sh -c *telepresence-guardian*", $"{PracticeClusterFixture.Program} *", "*kubectl proxy*", "*sshfs *");
        await killed.EndAsync();
        TreeShell living = await TreeShell.StartAsync(jane, "--namespace", name, "--new-deployment", "living", "--mount", "false");
        Assert.Equal("Not connected", (await jane.TelepresenceAsync("quit")).Good());
        Assert.Equal(["living"], await Cluster.Api.NamesAsync($"/apis/apps/v1/namespaces/{name}/deployments"));
        Assert.Equal("practice", (await living.RunAsync("curl -sS http://files.other/")).Good());
        (await living.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
    }

    private static bool Names(string text, params string[] names) => names.All(name => text.Contains(name, StringComparison.Ordinal));
}
