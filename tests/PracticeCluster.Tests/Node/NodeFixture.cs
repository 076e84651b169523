using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>A running node with a name server, and short ways to try things on it.</summary>
public sealed class NodeFixture : IAsyncLifetime
{
    private static int _instances;
    private readonly List<PodKey> _started = [];
    private readonly List<ServiceView> _services = [];
    private NamespaceNode? _node;

    public static NodeOptions Options(string state) => new(
        "t" + Interlocked.Increment(ref _instances),
        state,
        "practice-node",
        [IPNetwork.Parse("10.244.0.0/16"), IPNetwork.Parse("fd00:10:244::/64")],
        [IPNetwork.Parse("10.96.0.0/16"), IPNetwork.Parse("fd00:10:96::/112")],
        [IPAddress.Parse("10.96.0.10"), IPAddress.Parse("fd00:10:96::a")],
        "cluster.local",
        6443);

    public FakeCluster Cluster { get; } = new();

    public NamespaceNode Node => _node!;

    public NodeInfo Info { get; private set; } = null!;

    public string State { get; } = Directory.CreateTempSubdirectory("practice-node-").FullName;

    public PodKey Shell { get; private set; }

    public PodKey Dns { get; private set; }

    public async Task InitializeAsync()
    {
        _node = new NamespaceNode(Options(State), Cluster, Cluster)
        {
            FirstBackOff = TimeSpan.FromMilliseconds(200),
            LongestBackOff = TimeSpan.FromMilliseconds(400),
        };
        Info = await _node.UpAsync(CancellationToken.None);
        Dns = Start("kube-system", "dns", """{ "containers": [ { "name": "dns", "image": "practice/dns" } ] }""");
        Shell = Start("default", "shell", """{ "containers": [ { "name": "shell", "image": "debian", "command": ["sleep", "infinity"] } ] }""");
        PodReport report = await RunningAsync(Dns);
        await RunningAsync(Shell);
        Serve(new ServiceView("kube-system", "kube-dns", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.0.10"), IPAddress.Parse("fd00:10:96::a")],
            null, [new("dns", "UDP", 53), new("dns-tcp", "TCP", 53)], Endpoints(report, ("dns", 53), ("dns-tcp", 53)), false, null));
        await EventuallyAsync(async () => (await ShAsync("dig +tries=1 +time=1 dns-version.cluster.local TXT +short")).Contains("1.1.0", StringComparison.Ordinal));
    }

    public async Task DisposeAsync()
    {
        await Node.DisposeAsync();
        Directory.Delete(State, recursive: true);
    }

    public static JsonObject Pod(string namespaceName, string name, string spec, string metadata = "{}")
    {
        JsonObject meta = JsonNode.Parse(metadata)!.AsObject();
        meta["namespace"] = namespaceName;
        meta["name"] = name;
        meta["uid"] = Guid.NewGuid().ToString();
        return new JsonObject { ["metadata"] = meta, ["spec"] = JsonNode.Parse(spec) };
    }

    public PodKey Start(string namespaceName, string name, string spec, string metadata = "{}")
    {
        JsonObject pod = Pod(namespaceName, name, spec, metadata);
        Node.StartPod(pod);
        var key = PodKey.Of(pod);
        _started.Add(key);
        return key;
    }

    public Task<PodReport> RunningAsync(PodKey pod) =>
        Cluster.WaitAsync(pod, report => report.Phase == "Running" && report.Containers.All(c => c.Ready));

    public static EndpointView[] Endpoints(PodReport report, params (string Name, int Port)[] ports) =>
        [.. report.PodAddresses.Select(address => new EndpointView(address, true, null, "p", ports.ToDictionary(p => p.Name, p => p.Port)))];

    /// <summary>Adds or replaces a Service.</summary>
    public void Serve(ServiceView service)
    {
        lock (_services)
        {
            _services.RemoveAll(s => s.Name == service.Name && s.Namespace == service.Namespace);
            _services.Add(service);
            Node.ApplyServices([.. _services]);
        }
    }

    /// <summary>Deletes a Service.</summary>
    public void Withdraw(string namespaceName, string name)
    {
        lock (_services)
        {
            _services.RemoveAll(s => s.Name == name && s.Namespace == namespaceName);
            Node.ApplyServices([.. _services]);
        }
    }

    /// <summary>Runs a shell command in a pod (default: the one with Debian's tools); output and errors together.</summary>
    public async Task<string> ShAsync(string command, PodKey? pod = null, string? container = null)
    {
        PodKey key = pod ?? Shell;
        using var output = new MemoryStream();
        await Node.ExecAsync(key, container ?? Cluster.Report(key)!.Containers[0].Name, ["sh", "-c", "exec 2>&1; " + command],
            new ProcessStreams(null, output, null, false, null), CancellationToken.None);
        return Encoding.UTF8.GetString(output.ToArray());
    }

    public static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        DateTime limit = DateTime.UtcNow + TimeSpan.FromSeconds(60);
        while (!await condition())
        {
            Assert.True(DateTime.UtcNow < limit, "it did not become true within 60 s");
            await Task.Delay(20);
        }
    }
}

/// <summary>Tests that share one node.</summary>
[CollectionDefinition(nameof(NodeCollection))]
public sealed class NodeCollection : ICollectionFixture<NodeFixture>;
