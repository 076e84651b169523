using System.Globalization;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.EndToEnd.Access;

/// <summary>A person without privileges, who types sudo, and who has rights in one namespace only.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class OrdinaryUserTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;
    private LaptopUser _jane = null!;

    public async Task InitializeAsync()
    {
        _laptop = await cluster.LaptopAsync();
        _jane = _laptop.As(Person.Jane);
        JsonNode config = ClusterApi.Read(cluster.Kubeconfig);
        config["current-context"] = "practice-dev";
        config["contexts"]!.AsArray().Single(static context => (string)context!["name"]! == "practice-dev")!["context"]!["namespace"] = "team";
        await _jane.WriteAsync(".kube/config", config.ToJsonString());
    }

    public async Task DisposeAsync() => await _laptop.DisposeAsync();

    [Fact]
    public async Task Sudo_connects_with_the_kubeconfig_and_the_rights_of_who_called_it()
    {
        string before = await _laptop.SnapshotAsync();
        CommandResult connect = await JaneAsync($"sudo TELEPRESENCE_LOG_DIR=$TELEPRESENCE_LOG_DIR {PracticeClusterFixture.Program} connect");
        Assert.EndsWith($"Connected to context practice-dev, namespace team ({cluster.Server})", connect.Good(), StringComparison.Ordinal);
        Assert.Equal("practice", (await JaneAsync("curl -sS http://files.other/")).Good());

        // What parses network data runs as jane, and so does kubectl. The brackets keep the search from finding itself.
        string owners = (await _laptop.ShellAsync("for p in /proc/[0-9]*; do grep -qa '[d]aemon-user.--channel\\|[k]ubectl.proxy' $p/cmdline 2>/dev/null && awk '/^Uid/ { print $2 }' $p/status; done | sort -u")).Good();
        Assert.Equal(LaptopNamespaces.Uid.ToString(CultureInfo.InvariantCulture), owners);

        // Neither status nor quit needs sudo.
        JsonNode status = await Eventually.GivesAsync(
            "all parts answer", async () => JsonNode.Parse((await JaneAsync("telepresence status --output json")).Good())!, Laptop.AllPartsAnswer);
        Assert.Equal("Connected", (string?)status["user_daemon"]!["status"]);
        Assert.Equal("jane", (string?)status["user_daemon"]!["user"]);
        Assert.Equal("Disconnected", (await JaneAsync("telepresence quit")).Good());
        await _laptop.IsAsBeforeAsync(before);
        await cluster.NothingLeftAsync("team");
    }

    [Fact]
    public async Task Sudo_uses_the_KUBECONFIG_of_who_called_it_though_sudo_removes_it()
    {
        string other = _jane.At("other.json");
        (await JaneAsync($"mv .kube/config {other}")).Good();
        CommandResult connect = await JaneAsync($"KUBECONFIG={other} sudo TELEPRESENCE_LOG_DIR=$TELEPRESENCE_LOG_DIR {PracticeClusterFixture.Program} connect");
        Assert.EndsWith($"Connected to context practice-dev, namespace team ({cluster.Server})", connect.Good(), StringComparison.Ordinal);
        (await JaneAsync($"sudo {PracticeClusterFixture.Program} quit")).Good();
        await cluster.NothingLeftAsync("team");
    }

    [Fact]
    public async Task A_command_behind_connect_runs_as_who_called_sudo()
    {
        CommandResult run = await JaneAsync($"FAVOURITE=blue sudo TELEPRESENCE_LOG_DIR=$TELEPRESENCE_LOG_DIR {PracticeClusterFixture.Program} connect -- sh -c 'id -un; echo $HOME $FAVOURITE; curl -sS http://files.other/'");
        Assert.Equal($"jane\n{_jane.Home} blue\npractice", run.Good());
        await cluster.NothingLeftAsync("team");
    }

    [Fact]
    public async Task Rights_in_one_namespace_are_enough_to_reach_every_Service()
    {
        CommandResult connect = await JaneAsync($"sudo TELEPRESENCE_LOG_DIR=$TELEPRESENCE_LOG_DIR {PracticeClusterFixture.Program} connect");
        connect.Good();
        Assert.Contains("Welcome to nginx!", (await JaneAsync("curl -sS http://helloworld.default/")).Good(), StringComparison.Ordinal);
        Assert.Equal("practice", (await JaneAsync($"curl -sS http://{await cluster.PodAddressAsync("other", "files")}/")).Good());
        Assert.Equal("PONG", (await JaneAsync("redis-cli -h db.cloud.example.com ping")).Good());
        (await JaneAsync("telepresence quit")).Good();
        await cluster.NothingLeftAsync("team");
    }

    [Fact]
    public async Task A_namespace_without_rights_is_refused_naming_the_right()
    {
        (await JaneAsync($"sudo TELEPRESENCE_LOG_DIR=$TELEPRESENCE_LOG_DIR {PracticeClusterFixture.Program} connect --namespace other")).Refused(31, "create deployments", "namespace other");
        Assert.Empty(await cluster.ProxiesAsync("other"));
    }

    private Task<CommandResult> JaneAsync(string script) => _jane.ShellAsync(script);
}
