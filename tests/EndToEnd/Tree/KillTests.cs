namespace Telepresence.EndToEnd.Tree;

/// <summary><c>kill -9</c> of each of our processes while a session runs.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class KillTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    private const string Guardian = "/bin/sh -c *telepresence-guardian*", Kubectl = "*kubectl proxy*", Sshfs = "*sshfs *";
    private static readonly string Holder = $"{PracticeClusterFixture.Program} daemon-namespace*";

    /// <summary>What a killed process is to the one who killed it.</summary>
    public enum Victim
    {
        Session,
        Holder,
    }

    [Theory]
    [InlineData(Way.NetnsAsRoot, Victim.Session)]
    [InlineData(Way.NetnsAsRoot, Victim.Holder)]
    [InlineData(Way.NetnsAsJane, Victim.Session)]
    [InlineData(Way.NetnsAsJane, Victim.Holder)]
    [InlineData(Way.NetnsWithSudo, Victim.Session)]
    [InlineData(Way.NetnsWithSudo, Victim.Holder)]
    [InlineData(Way.PreloadAsJane, Victim.Session)]
    public async Task Nothing_is_left_though_nobody_types_anything(Way way, Victim victim)
    {
        (string name, string before, RunningCommand session) = await StartAsync($"kill-{victim.ToString().ToLowerInvariant()}-{way.Label()}", way);
        Assert.InRange(await Laptop.SignalMatchingAsync("KILL", victim == Victim.Session ? SessionProcess : Holder), 1, int.MaxValue);
        await Cluster.IsAsBeforeAsync(name, before);
        if (way.Method() == "preload")
            await Laptop.SignalMatchingAsync("KILL", "*sleep 1007"); // the user's own programs; no namespace ends them
        CommandResult result = await session.EndAsync();
        Assert.NotEqual(0, result.ExitCode);
        Assert.NotEqual(124, result.ExitCode);
        await IsWhollyAsBeforeAsync();
    }

    [Theory]
    [InlineData(Kubectl)]
    [InlineData(Guardian)]
    [InlineData(Sshfs)]
    public async Task A_session_goes_on_without_a_helper_of_its_own_and_leaves_nothing(string pattern)
    {
        (string name, string before) = await NamespaceAsync($"helper-{pattern.Length}");
        TreeShell inside = await TreeShell.StartAsync(Laptop.As(Person.Jane), "--namespace", name, "--new-deployment", "helper");
        int killed = await Laptop.SignalMatchingAsync("KILL", pattern);
        if (pattern != Sshfs) // with bind mounts of a copy there is none
            Assert.InRange(killed, 1, int.MaxValue);
        await Eventually.GivesAsync("a Service answers", async () => (await inside.RunAsync("curl -sS --max-time 20 http://files.other/")).Output, static output => output == "practice\n");
        await Eventually.GivesAsync("a volume is there", async () => (await inside.RunAsync("timeout 10 cat $TELEPRESENCE_ROOT/var/run/secrets/kubernetes.io/serviceaccount/namespace")).Output, output => output == name);
        (await inside.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
    }

    [Theory]
    [InlineData(Way.NetnsAsRoot)]
    [InlineData(Way.NetnsAsJane)]
    [InlineData(Way.PreloadAsJane)]
    public async Task When_everything_was_killed_at_once_the_next_start_takes_it_back(Way way)
    {
        (string name, string before, RunningCommand session) = await StartAsync($"kill-all-{way.Label()}", way);
        await Laptop.SignalMatchingAsync("KILL", Guardian); // before there is anything for it to do
        await Laptop.SignalMatchingAsync("KILL", Guardian, $"{PracticeClusterFixture.Program} *", Kubectl, Sshfs, "sleep 1007");
        Assert.NotEqual(0, (await session.EndAsync()).ExitCode);
        Assert.Equal(["killed"], await Cluster.Api.NamesAsync($"/apis/apps/v1/namespaces/{name}/deployments"));
        string next = await Cluster.NamespaceAsync($"kill-all-next-{way.Label()}");
        (await Laptop.As(way.Person()).TelepresenceAsync("--namespace", next, "--method", way.Method(), "--run", "true")).Good();
        await IsAsItWasAsync(name, before);
        await Cluster.NothingLeftAsync(next);
        await IsWhollyAsBeforeAsync();
    }

    private async Task<(string Name, string Before, RunningCommand Session)> StartAsync(string name, Way way)
    {
        (_, string before) = await NamespaceAsync(name);
        RunningCommand session = Laptop.As(way.Person()).BeginTelepresence(
            "--namespace", name, "--new-deployment", "killed", "--method", way.Method(), "--expose", "8083", "--run", "sh", "-c", "echo begun; sleep 1007");
        await session.SaysAsync("begun");
        return (name, before, session);
    }
}
