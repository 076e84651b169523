namespace Telepresence.EndToEnd.Tree;

/// <summary>Machines that lack something: user namespaces, FUSE, the tools of one of them.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class MachineTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;
    private LaptopUser _jane = null!;

    public async Task InitializeAsync()
    {
        _laptop = await cluster.LaptopAsync();
        _jane = _laptop.As(Person.Jane);
    }

    public async Task DisposeAsync() => await _laptop.DisposeAsync();

    [Fact]
    public async Task Without_user_namespaces_auto_takes_preload_and_says_why()
    {
        string name = await cluster.NamespaceAsync("no-userns");
        await _laptop.TakeUserNamespacesAwayAsync();
        string before = await _laptop.WholeSnapshotAsync();
        CommandResult run = await _jane.TelepresenceAsync("--namespace", name, "--run", "sh", "-c", "curl -sS http://files.other/; cat $TELEPRESENCE_ROOT/var/run/secrets/kubernetes.io/serviceaccount/namespace; ls /var/run/secrets 2>&1");
        Assert.StartsWith($"practice\n{name}", run.Output, StringComparison.Ordinal);
        string line = Assert.Single(run.Error.Split('\n'), static line => line.Contains("preload", StringComparison.Ordinal));
        Assert.Contains("user namespace", line, StringComparison.Ordinal);
        await _laptop.IsWhollyAsBeforeAsync(before);
        await cluster.NothingLeftAsync(name);

        // Never a silent miss.
        await IsNamedAsync(name, "busybox", "wget", "-qO-", "http://files.other/");
        CommandResult netns = await _jane.TelepresenceAsync("--namespace", name, "--method", "netns", "--run", "true");
        netns.Refused(63, "user namespace");
        await cluster.NothingLeftAsync(name);

        // Root needs none.
        Assert.Equal("practice", (await _laptop.As(Person.Root).TelepresenceAsync("--namespace", name, "--run", "busybox", "wget", "-qO-", "http://files.other/")).Good());
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task Without_tun_auto_takes_preload_and_says_why()
    {
        string name = await cluster.NamespaceAsync("no-tun");
        (await _laptop.ShellAsync("rm /dev/net/tun")).Good();
        CommandResult run = await _jane.TelepresenceAsync("--namespace", name, "--run", "curl", "-sS", "http://files.other/");
        Assert.Equal("practice", run.Good());
        Assert.Contains(run.Error.Split('\n'), static line => line.Contains("preload", StringComparison.Ordinal) && line.Contains("/dev/net/tun", StringComparison.Ordinal));
        (await _jane.TelepresenceAsync("--namespace", name, "--method", "netns", "--run", "true")).Refused(60, "/dev/net/tun");
        await cluster.NothingLeftAsync(name);
    }

    [Theory]
    [InlineData(Person.Jane)]
    [InlineData(Person.Root)]
    public async Task Without_FUSE_volumes_are_copies_that_follow_rotation(Person person)
    {
        string name = await cluster.NamespaceAsync($"no-fuse-{person.ToString().ToLowerInvariant()}");
        (await _laptop.ShellAsync("rm /dev/fuse")).Good();
        await VolumesWorkAsync(name, person);
    }

    [Fact]
    public async Task Without_sshfs_volumes_are_copies_that_follow_rotation()
    {
        string name = await cluster.NamespaceAsync("no-sshfs");
        (await _laptop.ShellAsync("rm -f /run/empty && touch /run/empty && if [ -e /usr/bin/sshfs ]; then mount --bind /run/empty /usr/bin/sshfs; fi")).Good();
        await VolumesWorkAsync(name, Person.Jane);
    }

    [Fact]
    public async Task Auto_takes_namespaces_where_they_work_and_says_so_in_one_line()
    {
        string name = await cluster.NamespaceAsync("auto");
        CommandResult run = await _jane.TelepresenceAsync("--namespace", name, "--run", "busybox", "wget", "-qO-", "http://files.other/");
        Assert.Equal("practice", run.Good());
        Assert.Single(run.Error.Split('\n'), static line => line.Contains("netns", StringComparison.Ordinal));
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task A_program_that_preload_cannot_catch_is_named_with_what_to_do()
    {
        string name = await cluster.NamespaceAsync("never-silent");
        await IsNamedAsync(name, "busybox", "wget", "-qO-", "http://files.other/");
        await IsNamedAsync(name, "sh", "-c", "busybox wget -qO- http://files.other/; exit 1");
        await cluster.NothingLeftAsync(name);
    }

    private async Task IsNamedAsync(string name, params string[] command)
    {
        CommandResult run = await _jane.TelepresenceAsync(["--namespace", name, "--method", "preload", "--run", .. command]);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(run.Error.Split('\n'), static line => line.StartsWith("T: ", StringComparison.Ordinal) && line.Contains("busybox", StringComparison.Ordinal) && line.Contains("static", StringComparison.Ordinal) && line.Contains("--method netns", StringComparison.Ordinal));
    }

    private async Task VolumesWorkAsync(string name, Person person)
    {
        await cluster.ApplyAsync("""
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: settings, namespace: $NAME}
            data: {colour: blue}
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: volumes, namespace: $NAME}
            spec:
              selector: {matchLabels: {run: volumes}}
              template:
                metadata: {labels: {run: volumes}}
                spec:
                  containers:
                  - {name: proxy, image: $IMAGE, volumeMounts: [{name: settings, mountPath: /etc/settings}]}
                  volumes: [{name: settings, configMap: {name: settings}}]
            """, name);
        await cluster.RolledOutAsync(name, "volumes");
        await using TreeShell inside = await TreeShell.StartAsync(_laptop.As(person), "--namespace", name, "--deployment", "volumes");
        Assert.Equal("blue", (await inside.RunAsync("cat /etc/settings/colour")).Good());
        Assert.Equal("blue", (await inside.RunAsync("cat $TELEPRESENCE_ROOT/etc/settings/colour")).Good());
        Assert.Equal(name, (await inside.RunAsync("cat /var/run/secrets/kubernetes.io/serviceaccount/namespace")).Good());
        Assert.NotEqual(0, (await inside.RunAsync("touch /etc/settings/x")).ExitCode);
        (await cluster.Kubectl("patch", "configmap", "settings", "-n", name, "--type=merge", "-p", """{"data":{"colour":"red"}}""")).Good();
        await Eventually.GivesAsync("it is seen here", async () => (await inside.RunAsync("cat /etc/settings/colour $TELEPRESENCE_ROOT/etc/settings/colour")).Output, static output => output == "redred");
        (await inside.EndAsync()).Good();
    }
}
