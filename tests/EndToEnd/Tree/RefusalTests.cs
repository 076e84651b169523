using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Tree;

/// <summary>What cannot work is refused with one sentence and an exit code of its own, and leaves nothing behind.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class RefusalTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    private LaptopUser _jane = null!;

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        _jane = Laptop.As(Person.Jane);
    }

    [Theory]
    [InlineData("--run-shell", "--new-deployment")]
    [InlineData("--run-shell", "--no-such-option")]
    [InlineData("--run-shell", "--new-depl", "x")]
    [InlineData("--run-shell", "surplus")]
    [InlineData("--run-shell", "--method", "vpn-tcp")]
    public async Task A_wrong_command_line(params string[] arguments) => (await _jane.TelepresenceAsync(arguments)).Refused(2, "--help");

    [Theory]
    [InlineData("--run-shell", "--new-deployment", "quickstart")]
    [InlineData("--run", "--new-deployment", "quickstart", "--run")]
    [InlineData("exclude", "--new-deployment", "a", "--deployment", "b", "--run-shell")]
    [InlineData("exclude", "--swap-deployment", "a", "--deployment", "b", "--run-shell")]
    [InlineData("exclude", "--mount-write", "--mount", "false", "--run-shell")]
    [InlineData("'eighty'", "--expose", "eighty", "--run-shell")]
    [InlineData("'0'", "--expose", "0", "--run-shell")]
    [InlineData("'65536'", "--expose", "8080:65536", "--run-shell")]
    [InlineData("8080/sctp", "--expose", "8080/sctp", "--run-shell")]
    [InlineData("'x'", "--to-pod", "x", "--run-shell")]
    [InlineData("given before", "--expose", "80:8080", "--expose", "81:8080", "--run-shell")]
    [InlineData("'Not_A_Name'", "--new-deployment", "Not_A_Name", "--run-shell")]
    [InlineData("NAME:CONTAINER", "--swap-deployment", "a:b:c", "--run-shell")]
    [InlineData("10.1.0.0/33", "--never-proxy", "10.1.0.0/33", "--run-shell")]
    [InlineData("--serviceaccount", "--deployment", "a", "--serviceaccount", "b", "--run-shell")]
    public async Task Options_that_make_no_sense(string part, params string[] arguments) => (await _jane.TelepresenceAsync(arguments)).Refused(2, part);

    [Fact]
    public async Task Kubeconfig_context_namespace_and_credentials_as_for_connect()
    {
        (await RunAsync("--kubeconfig", "/no/such/file")).Refused(20, "/no/such/file");
        (await RunAsync("--context", "no-such-context")).Refused(22, "no-such-context");
        (await RunAsync("--namespace", "no-such-namespace")).Refused(54, "no-such-namespace");
        (await _jane.RunAsync("env", "PATH=/nowhere", PracticeClusterFixture.Program, "--run", "/bin/true")).Refused(21, "kubectl");
        JsonNode config = ClusterApi.Read(Cluster.Kubeconfig);
        config["users"]![0]!["user"]!["token"] = "expired";
        string path = await _jane.WriteAsync("expired.json", config.ToJsonString());
        (await RunAsync("--kubeconfig", path)).Refused(32, "401");
        config["clusters"]![0]!["cluster"]!["server"] = "https://203.0.113.10:6444";
        await _jane.WriteAsync("expired.json", config.ToJsonString());
        (await RunAsync("--kubeconfig", path)).Refused(40, "https://203.0.113.10:6444");
    }

    [Theory]
    [InlineData("create", "deployments")]
    [InlineData("get", "pods/portforward")]
    [InlineData("create", "services")]
    public async Task A_verb_that_is_not_allowed_is_named(string verb, string resource)
    {
        (string name, string before) = await NamespaceAsync($"no-{verb}-{resource.Replace('/', '-')}");
        await Cluster.ControlAsync("refuse", verb, resource);
        (await RunAsync("--namespace", name, "--new-deployment", "refused", "--expose", "8085")).Refused(31, $"{verb} {resource}", $"namespace {name}");
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_swap_without_the_right_to_change_the_Deployment_changes_nothing()
    {
        string before = await Cluster.SnapshotAsync("default");
        await Cluster.ControlAsync("refuse", "patch", "deployments");
        await Cluster.ControlAsync("refuse", "update", "deployments");
        (await RunAsync("--swap-deployment", "helloworld")).Refused(31, "deployments", "namespace default");
        await IsAsItWasAsync("default", before);
    }

    [Fact]
    public async Task A_quota_and_an_image_that_is_not_there_and_one_that_is_not_the_proxy()
    {
        string before = await Cluster.SnapshotAsync("full");
        (await RunAsync("--namespace", "full")).Refused(50, "quota");
        await IsAsItWasAsync("full", before);
        (string name, before) = await NamespaceAsync("tree-images");
        (await RunAsync("--namespace", name, "--image", "registry.example.com/telepresence-k8s:missing")).Refused(52, "registry.example.com/telepresence-k8s:missing", "--image");
        (await RunAsync("--namespace", name, "--image", "busybox:latest")).Refused(70, "proxy pod");
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_pod_that_Pod_Security_refuses_is_told_with_the_rule()
    {
        (string name, _) = await NamespaceAsync("tree-psa");
        await Cluster.ApplyAsync("""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: privileged, namespace: tree-psa}
            spec:
              selector: {matchLabels: {run: privileged}}
              template:
                metadata: {labels: {run: privileged}}
                spec:
                  hostNetwork: true
                  terminationGracePeriodSeconds: 1
                  containers: [{name: pause, image: pause}]
            """);
        await Cluster.RolledOutAsync(name, "privileged");
        (await Cluster.Kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")).Good();
        string before = await Cluster.SnapshotAsync(name);
        CommandResult refused = await RunAsync("--namespace", name, "--swap-deployment", "privileged");
        refused.Refused(51, "PodSecurity");
        (await Cluster.Kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce-")).Good();
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_proxy_that_crashes_is_told_with_its_last_words()
    {
        (string name, _) = await NamespaceAsync("tree-crash");
        await Cluster.ApplyAsync("""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: crashes, namespace: tree-crash}
            spec:
              selector: {matchLabels: {run: crashes}}
              template:
                metadata: {labels: {run: crashes}}
                spec:
                  containers:
                  - {name: proxy, image: $IMAGE, args: [--no-such-option]}
            """);
        await Eventually.HoldsAsync("there is a pod", async () => (await Cluster.Api.NamesAsync($"/api/v1/namespaces/{name}/pods")).Count > 0);
        string before = await Cluster.SnapshotAsync(name);
        CommandResult crashed = await RunAsync("--namespace", name, "--deployment", "crashes");
        crashed.Refused(70, "crashes");
        Assert.Contains("telepresence-proxy takes", crashed.Error, StringComparison.Ordinal);
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_told_before_anything_is_made()
    {
        (string name, string before) = await NamespaceAsync("tree-no-program");
        (await _jane.TelepresenceAsync("--namespace", name, "--run", "no-such-program")).Refused(127, "no-such-program");
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_mount_point_that_is_in_use_or_not_ours_is_refused()
    {
        (string name, string before) = await NamespaceAsync("tree-mount");
        await _jane.WriteAsync("full/file", "here");
        CommandResult full = await _jane.TelepresenceAsync("--namespace", name, "--mount", _jane.At("full"), "--run", "true");
        full.Refused(full.ExitCode, _jane.At("full"));
        Assert.NotEqual(0, full.ExitCode);
        CommandResult foreign = await _jane.TelepresenceAsync("--namespace", name, "--mount", "/usr/share/pod", "--run", "true");
        foreign.Refused(foreign.ExitCode, "/usr/share/pod");
        Assert.Equal("here", _jane.Read(_jane.At("full/file")));
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_file_that_cannot_be_written_is_named_and_a_log_is_done_without()
    {
        const string file = "/no/such/directory/file";
        (string name, string before) = await NamespaceAsync("tree-files");
        foreach (string option in (string[])["--env-json", "--env-file"])
            (await _jane.TelepresenceAsync("--namespace", name, option, file, "--run", "true")).Refused(2, file, option);
        CommandResult run = await _jane.TelepresenceAsync("--namespace", name, "--logfile", file, "--run", "true");
        run.Good();
        Assert.Contains(run.Error.Split('\n'), static line => line.StartsWith("T: ", StringComparison.Ordinal) && line.Contains(file, StringComparison.Ordinal) && line.Contains("--logfile", StringComparison.Ordinal));
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_port_of_the_laptop_that_is_in_use_where_one_is_needed()
    {
        (string name, string before) = await NamespaceAsync("tree-port");
        RunningCommand server = Laptop.As(Person.Root).Begin("socat", "TCP4-LISTEN:9876,bind=127.0.0.1,reuseaddr", "SYSTEM:true");
        await Eventually.HoldsAsync("it listens", async () => (await Laptop.ShellAsync("ss -Hltn sport = 9876")).Output.Length > 0);
        CommandResult taken = await _jane.TelepresenceAsync("--namespace", name, "--method", "preload", "--to-pod", "9876", "--run", "true");
        await Laptop.ShellAsync("echo | socat - TCP4:127.0.0.1:9876");
        await server.EndAsync();
        taken.Refused(62, "9876");
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_port_that_another_container_of_the_pod_has()
    {
        (string name, _) = await NamespaceAsync("tree-pod-port");
        await Cluster.ApplyAsync("""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: taken, namespace: tree-pod-port}
            spec:
              selector: {matchLabels: {run: taken}}
              template:
                metadata: {labels: {run: taken}}
                spec:
                  containers:
                  - {name: other, image: busybox, command: [httpd, -f, -p, "8086"]}
                  - {name: proxy, image: $IMAGE}
            """);
        await Cluster.RolledOutAsync(name, "taken");
        string before = await Cluster.SnapshotAsync(name);
        (await RunAsync("--namespace", name, "--deployment", "taken", "--expose", "8086")).Refused(62, "8086");
        await IsAsItWasAsync(name, before);
    }

    private Task<CommandResult> RunAsync(params string[] options) => _jane.TelepresenceAsync([.. options, "--run", "true"]);
}
