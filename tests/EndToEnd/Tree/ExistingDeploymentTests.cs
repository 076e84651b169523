namespace Telepresence.EndToEnd.Tree;

/// <summary>Sessions on a Deployment that runs the proxy already.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class ExistingDeploymentTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    private const string Proxy = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: proxy, namespace: $NAME}
        spec:
          selector: {matchLabels: {run: proxy}}
          template:
            metadata: {labels: {run: proxy}}
            spec:
              containers:
              - {name: other, image: pause, env: [{name: MYENV, value: wrong}]}
              - {name: telepresence, image: $IMAGE, env: [{name: MYENV, value: hello}]}
        """;

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task The_container_with_the_proxy_s_image_is_found_and_the_Deployment_stays(Way way)
    {
        (string name, string before) = await MakeAsync($"existing-{way.Label()}");
        LaptopUser user = Laptop.As(way.Person());
        foreach (string deployment in (string[])["proxy", "proxy:telepresence"])
        {
            CommandResult run = await user.TelepresenceAsync("--namespace", name, "--deployment", deployment, "--method", way.Method(), "--run", "sh", "-c", "echo $MYENV; curl -sS http://files.other/");
            Assert.Equal("hello\npractice", run.Good());
            await IsAsItWasAsync(name, before);
        }
    }

    [Fact]
    public async Task The_second_user_is_told_who_is_there_and_since_when()
    {
        (string name, string before) = await MakeAsync("held");
        await using TreeShell first = await TreeShell.StartAsync(Laptop.As(Person.Jane), "--namespace", name, "--deployment", "proxy");
        CommandResult second = await Laptop.As(Person.Root).TelepresenceAsync("--namespace", name, "--deployment", "proxy", "--run", "true");
        Assert.NotEqual(0, second.ExitCode);
        second.Refused(second.ExitCode, "jane@laptop", "since");
        Assert.Equal("practice", (await first.RunAsync("curl -sS http://files.other/")).Good());
        (await first.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
        Assert.Empty((await Laptop.As(Person.Root).TelepresenceAsync("--namespace", name, "--deployment", "proxy", "--run", "true")).Good());
    }

    [Fact]
    public async Task An_image_of_another_version_is_refused_naming_both()
    {
        await Cluster.ControlAsync("load-image", PracticeClusterFixture.ImageArchive, "telepresence/telepresence-k8s:9.8.7");
        string name = await Cluster.NamespaceAsync("other-version");
        await Cluster.ApplyAsync(Proxy.Replace("$IMAGE", "telepresence/telepresence-k8s:9.8.7", StringComparison.Ordinal), name);
        await Cluster.RolledOutAsync(name, "proxy");
        string before = await Cluster.SnapshotAsync(name);
        (await Laptop.As(Person.Jane).TelepresenceAsync("--namespace", name, "--deployment", "proxy", "--run", "true")).Refused(72, "9.8.7", PracticeClusterFixture.Version);
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_Deployment_without_the_proxy_and_one_that_is_not_there_are_refused_with_near_names()
    {
        LaptopUser jane = Laptop.As(Person.Jane);
        CommandResult missing = await jane.TelepresenceAsync("--deployment", "helloword", "--run", "true");
        missing.Refused(missing.ExitCode, "helloword", "helloworld");
        Assert.InRange(missing.ExitCode, 50, 59);
        CommandResult without = await jane.TelepresenceAsync("--deployment", "helloworld", "--run", "true");
        without.Refused(without.ExitCode, "helloworld", "--swap-deployment");
        CommandResult container = await jane.TelepresenceAsync("--deployment", "helloworld:ngin", "--run", "true");
        container.Refused(container.ExitCode, "ngin", "nginx");
    }

    private async Task<(string Name, string Before)> MakeAsync(string name)
    {
        await Cluster.NamespaceAsync(name);
        await Cluster.ApplyAsync(Proxy, name);
        await Cluster.RolledOutAsync(name, "proxy");
        return (name, await Cluster.SnapshotAsync(name));
    }
}
