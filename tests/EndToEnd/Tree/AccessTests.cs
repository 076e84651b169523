using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Telepresence.EndToEnd.Tree;

/// <summary>People with rights in one namespace, and clusters that are strict about pods.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class AccessTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    [Theory]
    [ClassData(typeof(WaysWithoutPrivileges))]
    public async Task Rights_in_one_namespace_are_enough(Way way)
    {
        string before = await Cluster.SnapshotAsync("team");
        JsonNode config = ClusterApi.Read(Cluster.Kubeconfig);
        config["current-context"] = "practice-dev";
        config["contexts"]!.AsArray().Single(static context => (string)context!["name"]! == "practice-dev")!["context"]!["namespace"] = "team";
        LaptopUser jane = Laptop.As(way.Person());
        string path = await jane.WriteAsync("dev.json", config.ToJsonString());
        Assert.Equal("practice", (await jane.TelepresenceAsync("--kubeconfig", path, "--method", way.Method(), "--new-deployment", "mine", "--expose", "8087", "--run", "curl", "-sS", "http://files.other/")).Good());
        await IsAsItWasAsync("team", before);

        before = await Cluster.SnapshotAsync("other");
        (await jane.TelepresenceAsync("--kubeconfig", path, "--namespace", "other", "--swap-deployment", "files", "--run", "true")).Refused(31, "deployments", "namespace other");
        await IsAsItWasAsync("other", before);
    }

    [Fact]
    public async Task The_proxy_runs_where_Pod_Security_is_restricted_and_where_a_LimitRange_rules()
    {
        string before = await Cluster.SnapshotAsync("restricted");
        Assert.Equal("practice", (await Laptop.As(Person.Jane).TelepresenceAsync("--namespace", "restricted", "--new-deployment", "mine", "--expose", "8088:88", "--run", "curl", "-sS", "http://files.other/")).Good());
        await IsAsItWasAsync("restricted", before);

        (string name, _) = await NamespaceAsync("tree-limits");
        await Cluster.ApplyAsync("""
            apiVersion: v1
            kind: LimitRange
            metadata: {name: limits, namespace: tree-limits}
            spec: {limits: [{type: Container, max: {cpu: "2", memory: 512Mi}, min: {cpu: 10m, memory: 16Mi}, default: {cpu: 100m, memory: 128Mi}}]}
            """);
        before = await Cluster.SnapshotAsync(name);
        Assert.Equal("practice", (await Laptop.As(Person.Jane).TelepresenceAsync("--namespace", name, "--run", "curl", "-sS", "http://files.other/")).Good());
        await IsAsItWasAsync(name, before);
    }

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task Never_proxy_keeps_a_network_at_home_and_also_proxy_is_accepted(Way way)
    {
        (string name, string before) = await NamespaceAsync($"never-{way.Label()}");
        CommandResult run = await Laptop.As(way.Person()).TelepresenceAsync(
            "--namespace", name, "--method", way.Method(), "--never-proxy", "192.168.1.0/24", "--also-proxy", "198.51.100.80/32", "--also-proxy", "v4only.example.com", "--run", "sh", "-c",
            "curl -sS --max-time 20 http://192.168.1.20/index.html; curl -sS --max-time 20 http://198.51.100.80/ip; curl -sS --max-time 20 http://v4only.example.com/ip");
        Assert.Equal("a page at home\n198.51.100.2\n198.51.100.2", run.Good());
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task The_log_is_where_it_was_told_replaces_an_older_one_and_has_no_secrets()
    {
        string name = await Cluster.NamespaceAsync("tree-log");
        await Cluster.ApplyAsync("""
            apiVersion: v1
            kind: Secret
            metadata: {name: secret, namespace: tree-log}
            stringData: {PASSWORD: correct-horse-battery}
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: proxy, namespace: tree-log}
            spec:
              selector: {matchLabels: {run: proxy}}
              template:
                metadata: {labels: {run: proxy}}
                spec:
                  containers: [{name: proxy, image: $IMAGE, envFrom: [{secretRef: {name: secret}}]}]
            """);
        await Cluster.RolledOutAsync(name, "proxy");
        LaptopUser jane = Laptop.As(Person.Jane);
        string[] run = ["--namespace", name, "--deployment", "proxy", "--verbose", "--run", "sh", "-c", "cat /var/run/secrets/kubernetes.io/serviceaccount/token >&2; exit 0"];
        await jane.WriteAsync("telepresence.log", "of an older session\n");
        CommandResult first = await jane.TelepresenceAsync(run);
        first.Good();
        string token = Regex.Match(first.Error, @"ey[\w-]+\.[\w-]+\.[\w-]+").Value;
        Assert.NotEmpty(token);
        string log = jane.Read(jane.At("telepresence.log"));
        Assert.Equal("jane", (await jane.RunAsync("stat", "-c", "%U", jane.At("telepresence.log"))).Good());

        CommandResult second = await jane.TelepresenceAsync(["--logfile", "-", .. run]);
        second.Good();
        CommandResult third = await jane.TelepresenceAsync(["--logfile", jane.At("other.log"), .. run]);
        third.Good();
        foreach (string text in (string[])[log, second.Output, jane.Read(jane.At("other.log"))])
        {
            Assert.NotEmpty(text);
            Assert.DoesNotContain("of an older session", text, StringComparison.Ordinal);
            Assert.DoesNotContain("correct-horse-battery", text, StringComparison.Ordinal);
            Assert.DoesNotContain(token, text, StringComparison.Ordinal);
            Assert.DoesNotContain((string)ClusterApi.Read(Cluster.Kubeconfig)["users"]![0]!["user"]!["token"]!, text, StringComparison.Ordinal);
        }
    }
}
