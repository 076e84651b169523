namespace Telepresence.EndToEnd.Tree;

/// <summary>Sessions that stand in for a Deployment.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class SwapTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    private const string Web = """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: page, namespace: $NAME}
        data: {index.html: a page of the cluster}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: web
          namespace: $NAME
          annotations: {example.com/owner: team-a}
        spec:
          replicas: 2
          selector: {matchLabels: {run: web}}
          template:
            metadata: {labels: {run: web, tier: front}}
            spec:
              terminationGracePeriodSeconds: 1 # busybox, as PID 1, does not end on SIGTERM
              containers:
              - name: web
                image: busybox
                command: [httpd]
                args: [-f, -p, "8080", -h, /www]
                ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 8443}]
                env: [{name: COLOUR, value: red}]
                volumeMounts: [{name: page, mountPath: /www}]
                readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
                livenessProbe: {httpGet: {port: 8080, path: /index.html}, periodSeconds: 1, failureThreshold: 100}
              volumes: [{name: page, configMap: {name: page}}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: $NAME}
        spec:
          selector: {run: web}
          ports: [{name: http, port: 80, targetPort: http}, {name: admin, port: 443, targetPort: admin}]
        """;

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task The_laptop_answers_in_its_place_and_then_it_comes_back_as_it_was(Way way)
    {
        (string name, string before) = await MakeAsync($"swap-{way.Label()}");
        TreeShell inside = await SwapAsync(name, way);

        // Environment and volumes of the original, its ports without being asked.
        Assert.Equal("red", (await inside.RunAsync("echo $COLOUR")).Good());
        Assert.Equal("a page of the cluster", (await inside.RunAsync("cat /www/index.html")).Good());
        Assert.Equal(0, await ReplicasAsync(name, "web"));
        Task<CommandResult> first = inside.ServeOnce("TCP4-LISTEN:8080,bind=127.0.0.1", "from the laptop");
        await AnswersAsync(name, "80", "from the laptop");
        (await first).Good();
        Task<CommandResult> second = inside.ServeOnce("TCP4-LISTEN:8443,bind=127.0.0.1", "the other port");
        await AnswersAsync(name, "443", "the other port");
        (await second).Good();

        (await inside.EndAsync()).Good();
        Assert.Equal(2, await ReplicasAsync(name, "web"));
        await IsAsItWasAsync(name, before);
        await AnswersAsync(name, "80", "a page of the cluster");
    }

    [Fact]
    public async Task After_kill_9_of_the_session_s_process_the_laptop_brings_it_back()
    {
        (string name, string before) = await MakeAsync("swap-killed");
        TreeShell inside = await SwapAsync(name, Way.NetnsAsJane);
        Assert.InRange(await Laptop.SignalMatchingAsync("KILL", SessionProcess), 1, int.MaxValue);
        await inside.EndedAsync();
        await Cluster.IsAsBeforeAsync(name, before);
        await IsWhollyAsBeforeAsync();
    }

    [Fact]
    public async Task After_kill_9_of_everything_local_the_pod_brings_it_back()
    {
        (string name, string before) = await MakeAsync("swap-pod");
        TreeShell inside = await SwapAsync(name, Way.NetnsAsJane);
        await Laptop.SignalMatchingAsync("KILL", "/bin/sh -c *telepresence-guardian*");
        await Laptop.SignalMatchingAsync("KILL", $"{PracticeClusterFixture.Program} *", "*kubectl proxy*", "/bin/sh -c *telepresence-guardian*", "sshfs *");
        await inside.EndAsync();

        // The pod has heard nobody for a while.
        await Eventually.GivesAsync("it has its replicas back", () => ReplicasAsync(name, "web"), static replicas => replicas == 2, patience: TimeSpan.FromMinutes(3));
        await AnswersAsync(name, "80", "a page of the cluster");

        // What the journal of the killed session says is taken back by the next start, which finds that it is done.
        string other = await Cluster.NamespaceAsync("swap-pod-next");
        (await Laptop.As(Person.Jane).TelepresenceAsync("--namespace", other, "--run", "true")).Good();
        await Cluster.IsAsBeforeAsync(name, before);
    }

    [Fact]
    public async Task The_second_user_is_told_who_is_there_and_since_when()
    {
        (string name, string before) = await MakeAsync("swap-held");
        await using TreeShell first = await SwapAsync(name, Way.NetnsAsJane);
        CommandResult second = await Laptop.As(Person.Root).TelepresenceAsync("--namespace", name, "--swap-deployment", "web", "--run", "true");
        second.Refused(second.ExitCode, "web", "jane@laptop", "since");
        Assert.NotEqual(0, second.ExitCode);
        (await first.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_Deployment_or_a_container_that_is_not_there_is_refused_with_near_names()
    {
        LaptopUser jane = Laptop.As(Person.Jane);
        CommandResult missing = await jane.TelepresenceAsync("--swap-deployment", "helloword", "--run", "true");
        missing.Refused(missing.ExitCode, "helloword", "helloworld");
        CommandResult container = await jane.TelepresenceAsync("--swap-deployment", "helloworld:ngin", "--run", "true");
        container.Refused(container.ExitCode, "ngin", "nginx");
    }

    [Fact]
    public async Task An_exposed_port_may_be_served_by_another_one_here()
    {
        (string name, string before) = await MakeAsync("swap-expose");
        TreeShell inside = await SwapAsync(name, Way.NetnsAsJane, "--expose", "9000:8080");
        Task<CommandResult> server = inside.ServeOnce("TCP4-LISTEN:9000,bind=127.0.0.1", "from 9000");
        await AnswersAsync(name, "80", "from 9000");
        (await server).Good();
        (await inside.EndAsync()).Good();
        await IsAsItWasAsync(name, before);
    }

    private Task<TreeShell> SwapAsync(string name, Way way, params string[] options) =>
        TreeShell.StartAsync(Laptop.As(way.Person()), ["--namespace", name, "--swap-deployment", "web", "--method", way.Method(), .. options]);

    private async Task<(string Name, string Before)> MakeAsync(string name)
    {
        await Cluster.NamespaceAsync(name);
        await Cluster.ApplyAsync(Web, name);
        await Cluster.RolledOutAsync(name, "web");
        return (name, await Cluster.SnapshotAsync(name));
    }

    private Task AnswersAsync(string name, string port, string text) => Eventually.GivesAsync(
        $"the Service answers: {text}", async () => (await Cluster.InPodAsync("other", "files", $"curl -sS --connect-timeout 10 --max-time 50 http://web.{name}:{port}/")).Output.TrimEnd('\n'), output => output == text);

    private async Task<int> ReplicasAsync(string name, string deployment) => (int)(await Cluster.Api.GetAsync($"/apis/apps/v1/namespaces/{name}/deployments/{deployment}"))["spec"]!["replicas"]!;
}
