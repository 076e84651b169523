using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Refusals;

/// <summary>What cannot work is refused with one sentence and an exit code of its own, and leaves nothing behind.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class BadInputTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;
    private string _before = "";

    public async Task InitializeAsync()
    {
        _laptop = await cluster.SpareAsync();
        _before = await _laptop.SnapshotAsync();
    }

    public async Task DisposeAsync()
    {
        await cluster.ControlAsync("reset");
        await _laptop.IsAsBeforeAsync(_before);
    }

    [Fact]
    public async Task No_kubeconfig_at_all()
    {
        _laptop.Environment.Remove("KUBECONFIG");
        (await _laptop.TelepresenceAsync("connect")).Refused(20, $"{_laptop.Home}/.kube/config", "--kubeconfig");
    }

    [Fact]
    public async Task An_empty_kubeconfig()
    {
        _laptop.Environment["KUBECONFIG"] = "/dev/null";
        (await _laptop.TelepresenceAsync("connect")).Refused(20, "KUBECONFIG=/dev/null");
    }

    [Fact]
    public async Task A_kubeconfig_that_does_not_exist() =>
        (await _laptop.TelepresenceAsync("connect", "--kubeconfig", "/no/such/file")).Refused(20, "/no/such/file");

    [Fact]
    public async Task A_kubeconfig_that_is_not_one()
    {
        File.WriteAllText(_laptop.Environment["KUBECONFIG"], "apiVersion: [v1\n");
        (await _laptop.TelepresenceAsync("connect")).Refused(20, "not valid");
    }

    [Fact]
    public async Task An_unknown_context() =>
        (await _laptop.TelepresenceAsync("connect", "--context", "no-such-context")).Refused(22, "no-such-context");

    [Fact]
    public async Task No_kubectl() =>
        (await _laptop.RunAsync("env", "PATH=/nowhere", PracticeClusterFixture.Program, "connect")).Refused(21, "kubectl");

    [Fact]
    public async Task An_API_server_that_nobody_is()
    {
        EditKubeconfig(static config => config["clusters"]![0]!["cluster"]!["server"] = "https://203.0.113.10:6444");
        (await _laptop.TelepresenceAsync("connect")).Refused(40, "https://203.0.113.10:6444");
    }

    [Fact]
    public async Task An_API_server_whose_certificate_is_another_s()
    {
        EditKubeconfig(static config => config["clusters"]![0]!["cluster"]!.AsObject().Remove("certificate-authority-data"));
        (await _laptop.TelepresenceAsync("connect")).Refused(40, "x509");
    }

    [Fact]
    public async Task Credentials_that_the_cluster_does_not_know()
    {
        EditKubeconfig(static config => config["users"]![0]!["user"]!["token"] = "expired");
        (await _laptop.TelepresenceAsync("connect")).Refused(32, "401");
    }

    [Fact]
    public async Task A_user_who_may_not_create_Deployments() =>
        (await _laptop.TelepresenceAsync("connect", "--context", "practice-dev")).Refused(31, "create deployments", "namespace default");

    [Theory]
    [InlineData("get", "pods/portforward")]
    [InlineData("create", "deployments")]
    public async Task A_verb_that_is_not_allowed_is_named(string verb, string resource)
    {
        string name = await cluster.NamespaceAsync($"refused-{verb}");
        await cluster.ControlAsync("refuse", verb, resource);
        (await _laptop.TelepresenceAsync("connect", "--namespace", name)).Refused(31, $"{verb} {resource}", $"namespace {name}");
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task A_namespace_that_does_not_exist() =>
        (await _laptop.TelepresenceAsync("connect", "--namespace", "no-such-namespace")).Refused(54, "no-such-namespace");

    [Fact]
    public async Task An_image_that_does_not_exist()
    {
        string name = await cluster.NamespaceAsync("no-image");
        (await _laptop.TelepresenceAsync("connect", "--namespace", name, "--image", "registry.example.com/telepresence-k8s:missing"))
            .Refused(52, "registry.example.com/telepresence-k8s:missing", "--image");
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task An_image_that_is_not_the_proxy()
    {
        string name = await cluster.NamespaceAsync("not-the-proxy");
        (await _laptop.TelepresenceAsync("connect", "--namespace", name, "--image", "busybox:latest")).Refused(70, "proxy pod");
        await cluster.NothingLeftAsync(name);
    }

    // Either may go by itself, so it is waited for; both tests in one halve that.
    [Fact]
    public async Task A_port_forward_that_is_refused_and_a_quota_that_leaves_no_room()
    {
        string name = await cluster.NamespaceAsync("no-forward");
        await cluster.ControlAsync("refuse-port-forward", "on");
        Laptop other = await cluster.LaptopAsync();
        RunningCommand quota = other.Begin(PracticeClusterFixture.Program, "connect", "--namespace", "full");
        await quota.SaysAsync("exceeded quota");
        (await _laptop.TelepresenceAsync("connect", "--namespace", name)).Refused(71, "port-forward");
        (await quota.EndAsync()).Refused(50, "quota");
        await cluster.NothingLeftAsync(name);
        await cluster.NothingLeftAsync("full");
        await other.DisposeAsync();
    }

    [Theory]
    [InlineData("--also-proxy", "10.1.0.0/33")]
    [InlineData("--also-proxy", "10.1.0/16")]
    [InlineData("--never-proxy", "300.1.2.3")]
    [InlineData("--never-proxy", "fd00::/129")]
    [InlineData("--also-proxy", "-bad-.example.com")]
    [InlineData("--dns-suffix", "not a suffix")]
    public async Task A_malformed_network_or_name(string option, string value) =>
        (await _laptop.TelepresenceAsync("connect", $"{option}={value}")).Refused(2, value);

    [Theory]
    [InlineData("connect", "--no-such-option")]
    [InlineData("connect", "surplus")]
    [InlineData("connect", "--namespace")]
    [InlineData("connect", "--")]
    [InlineData("status", "--output=xml")]
    [InlineData("quit", "--", "true")]
    [InlineData("no-such-verb")]
    public async Task A_wrong_command_line(params string[] arguments) =>
        (await _laptop.TelepresenceAsync(arguments)).Refused(2, "--help");

    [Fact]
    public async Task A_machine_without_tun() => (await _laptop.ShellAsync($"""
        unshare --mount sh -c 'mount -t tmpfs none /dev/net && exec {PracticeClusterFixture.Program} connect'
        """)).Refused(60, "/dev/net/tun");

    [Fact]
    public async Task A_user_who_is_not_root() =>
        (await _laptop.RunAsync("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PracticeClusterFixture.Program, "connect")).Refused(30, "sudo telepresence connect");

    private void EditKubeconfig(Action<JsonNode> edit)
    {
        string path = _laptop.Environment["KUBECONFIG"];
        JsonNode config = ClusterApi.Read(path);
        edit(config);
        File.WriteAllText(path, config.ToJsonString());
    }
}
