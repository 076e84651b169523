using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Tree;

/// <summary>Sessions with a Deployment of their own.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class NewDeploymentTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_script_for_the_shell_runs_while_Deployment_and_Service_are_there_and_both_are_gone_afterwards(Way way)
    {
        (string name, string before) = await NamespaceAsync($"new-{way.Label()}");
        LaptopUser user = Laptop.As(way.Person());
        RunningCommand session = user.BeginWithInput(user.Telepresence("--namespace", name, "--new-deployment", "quickstart", "--method", way.Method(), "--expose", "8080", "--run-shell"));
        await session.Input.WriteLineAsync("echo POD=$TELEPRESENCE_POD; pwd; curl -sS http://files.other/; exec 3<>/dev/tcp/files.other/80 && echo connected; until [ -e go ]; do sleep 0.1; done; exit 113");
        await session.SaysAsync("connected");
        Assert.Equal(["quickstart"], await Cluster.Api.NamesAsync($"/apis/apps/v1/namespaces/{name}/deployments"));
        Assert.Equal(["quickstart"], await Cluster.Api.NamesAsync($"/api/v1/namespaces/{name}/services"));
        await user.WriteAsync("go", "");
        CommandResult result = await session.EndAsync();
        (await user.RunAsync("rm", user.At("go"))).Good();
        Assert.True(result.ExitCode == 113, result.ToString());
        Assert.Contains($"{user.Home}\npractice\n", result.Output, StringComparison.Ordinal);
        Assert.Contains("POD=quickstart-", result.Output, StringComparison.Ordinal);
        Assert.Contains("T: Your process exited with return code 113.", result.Error, StringComparison.Ordinal);
        Assert.All(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), static line => Assert.StartsWith("T: ", line, StringComparison.Ordinal));
        await IsAsItWasAsync(name, before);
    }

    // Programs that use select(2) cannot stand more; the session needs one for each connection.
    [Theory]
    [InlineData(Way.NetnsAsJane)]
    [InlineData(Way.PreloadAsJane)]
    public async Task A_program_may_have_as_many_open_files_as_without_a_session_which_itself_takes_what_it_can_get(Way way)
    {
        (string name, string before) = await NamespaceAsync($"files-{way.Label()}");
        LaptopUser user = Laptop.As(way.Person());
        string script = await user.WriteAsync("open-files", $"""
            ulimit -Sn
            session=/proc/$(pgrep -f '^[^ ]*/telepresence --namespace {name} ')/limits
            while grep -q 'open files *256 ' $session; do :; done
            """);
        string line = string.Join(' ', user.Telepresence("--namespace", name, "--method", way.Method(), "--run", "sh", script));
        Assert.Equal("256", (await user.ShellAsync($"ulimit -Sn 256; {line}")).Good());
        (await user.RunAsync("rm", script)).Good();
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task Without_any_of_the_three_options_there_is_a_Deployment_with_a_name_of_its_own_and_no_Service()
    {
        (string name, string before) = await NamespaceAsync("unnamed");
        LaptopUser jane = Laptop.As(Person.Jane);
        RunningCommand session = jane.BeginWithInput(jane.Telepresence("--namespace", name, "--run", "cat"));
        await session.SaysAsync("Setup complete. Launching your command.");
        Assert.StartsWith("telepresence-", Assert.Single(await Cluster.Api.NamesAsync($"/apis/apps/v1/namespaces/{name}/deployments")), StringComparison.Ordinal);
        Assert.Empty(await Cluster.Api.NamesAsync($"/api/v1/namespaces/{name}/services"));
        session.Input.Close();
        (await session.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task The_start_says_what_it_does_in_words_that_users_know()
    {
        (string name, string before) = await NamespaceAsync("words");
        CommandResult run = await Laptop.As(Person.Jane).TelepresenceAsync("--namespace", name, "--new-deployment", "words", "--expose", "8080:8081", "--run", "true");
        run.Good();
        Assert.Empty(run.Output);
        foreach (string text in (string[])["Forwarding remote port 8081 to local port 8080.", "Volumes are rooted at $TELEPRESENCE_ROOT.", "Setup complete. Launching your command.", "Your process exited with return code 0.", "Exit cleanup in progress"])
            Assert.Contains($"T: {text}\n", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Starting proxy...", run.Error, StringComparison.Ordinal); // no terminal
        await IsAsItWasAsync(name, before);
    }

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task Run_takes_the_rest_of_the_line_as_it_is_and_passes_the_exit_code_on(Way way)
    {
        (string name, string before) = await NamespaceAsync($"run-{way.Label()}");
        CommandResult run = await Laptop.As(way.Person()).TelepresenceAsync(
            "--namespace", name, "--method", way.Method(), "--run", "sh", "-c", "printf '<%s>' \"$@\"; exit 7", "sh", "two words", "it's", "--verbose", "", "$HOME", "--");
        Assert.Equal(7, run.ExitCode);
        Assert.Equal("<two words><it's><--verbose><><$HOME><-->", run.Output);
        await IsAsItWasAsync(name, before);
    }

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task A_program_that_a_signal_ended_gives_128_and_its_number(Way way)
    {
        string name = await Cluster.NamespaceAsync($"signalled-{way.Label()}");
        Assert.Equal(137, (await Laptop.As(way.Person()).TelepresenceAsync("--namespace", name, "--method", way.Method(), "--run", "sh", "-c", "kill -9 $$")).ExitCode);
    }

    [Fact]
    public async Task What_has_the_new_one_s_name_and_is_not_ours_is_left_alone()
    {
        (string name, _) = await NamespaceAsync("same-name");
        await Cluster.ApplyAsync("""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: quickstart, namespace: same-name}
            spec:
              selector: {matchLabels: {run: old}}
              template:
                metadata: {labels: {run: old}}
                spec: {terminationGracePeriodSeconds: 1, containers: [{name: pause, image: pause}]}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: quickstart, namespace: same-name}
            spec: {ports: [{port: 1}]}
            """);
        await Cluster.RolledOutAsync(name, "quickstart");
        string before = await Cluster.SnapshotAsync(name);
        (await Laptop.As(Person.Jane).TelepresenceAsync("--namespace", name, "--new-deployment", "quickstart", "--run", "true")).Refused(58, "quickstart", "--swap-deployment");
        await IsAsItWasAsync(name, before);
    }

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task A_port_below_1024_and_a_service_account_of_one_s_choice(Way way)
    {
        (string name, _) = await NamespaceAsync($"low-{way.Label()}");
        await Cluster.Api.CreateAsync($"/api/v1/namespaces/{name}/serviceaccounts", new JsonObject { ["metadata"] = new JsonObject { ["name"] = "robot" } });
        string before = await Cluster.SnapshotAsync(name);
        LaptopUser user = Laptop.As(way.Person());
        TreeShell inside = await TreeShell.StartAsync(user, "--namespace", name, "--new-deployment", "low", "--method", way.Method(), "--expose", "8081:81", "--serviceaccount", "robot");
        Assert.Contains($"system:serviceaccount:{name}:robot", (await inside.RunAsync("""
            t=$(cat /var/run/secrets/kubernetes.io/serviceaccount/token 2>/dev/null || cat $TELEPRESENCE_ROOT/var/run/secrets/kubernetes.io/serviceaccount/token)
            curl -sSk -H "Authorization: Bearer $t" https://kubernetes.default.svc/api/v1/secrets
            """)).Good(), StringComparison.Ordinal);
        Task<CommandResult> server = inside.ServeOnce("TCP4-LISTEN:8081,bind=127.0.0.1", "low");
        await Eventually.GivesAsync("it answers", async () => (await Cluster.InPodAsync("other", "files", $"curl -sS --connect-timeout 10 --max-time 50 http://low.{name}:81/")).Output, static output => output == "low");
        (await server).Good();
        (await inside.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task Verbose_prints_a_table_of_the_start_s_parts()
    {
        string name = await Cluster.NamespaceAsync("verbose");
        CommandResult run = await Laptop.As(Person.Jane).TelepresenceAsync("--namespace", name, "--verbose", "--run", "true");
        run.Good();
        Assert.Matches(@"(?m)^T: start-up +from +took ms$", run.Error);
        foreach (string part in (string[])["kubectl proxy", "pod", "session", "network", "volumes", "total"])
            Assert.Matches($@"(?m)^T: {part} +\d+ +\d+$", run.Error);
    }
}
