using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>The node of the practice cluster: pods are processes in Linux namespaces.</summary>
/// <remarks>
/// Everything lives in namespaces that <see cref="HeldNamespaces"/> makes and that end with this process: the node's (links,
/// NAT, files on a tmpfs), the outside's, and nested in the node's those of each pod. On the host there is nothing but the
/// empty directory that the tmpfs is mounted on, which only the node sees.
/// </remarks>
public sealed class NamespaceNode : INode
{
    private readonly NodeOptions _options;
    private readonly IClusterLookup _lookup;
    private readonly INodeListener _listener;
    private readonly string _root;
    private readonly ConcurrentDictionary<string, PodWorker> _pods = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _servicesChanged = new(0);
    private readonly Lock _dnsGate = new();
    private IReadOnlyList<ServiceView> _services = [];
    private HeldNamespaces? _namespaces;
    private OutsideNetwork? _outside;
    private ClusterDns? _dns;
    private NodeServices? _node;
    private Task _applying = Task.CompletedTask;
    private bool _down;

    public NamespaceNode(NodeOptions options, IClusterLookup lookup, INodeListener listener)
    {
        _options = options;
        _lookup = lookup;
        _listener = listener;
        _root = Path.Combine(Path.GetFullPath(options.StateDirectory), "node");
    }

    /// <summary>Waiting time before the second restart of a container; each further one takes twice as long.</summary>
    public TimeSpan FirstBackOff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Most that a restart waits.</summary>
    public TimeSpan LongestBackOff { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Removes what a killed process left: an empty directory. Its namespaces and processes ended with it.</summary>
    public static Task RemoveLeftoversAsync(string stateDirectory, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string root = Path.Combine(Path.GetFullPath(stateDirectory), "node");
        if (Directory.Exists(root))
            Directory.Delete(root, recursive: true);
        return Task.CompletedTask;
    }

    public async Task<NodeInfo> UpAsync(CancellationToken cancel)
    {
        Directory.CreateDirectory(_root);
        _namespaces = await HeldNamespaces.CreateAsync(_root + "/node.sh", NodeScripts.Node(_root, _options), cancel);
        try
        {
            // For laptops, which are set up by other processes: where this cluster's network is.
            await File.WriteAllTextAsync(
                Path.Combine(_root, NodeRecord.FileName), NodeRecord.Write(_namespaces.Pid, _options.ApiPort), cancel);
            _outside = await OutsideNetwork.CreateAsync(_namespaces, _root, cancel);
            using Stream become = typeof(NamespaceNode).Assembly.GetManifestResourceStream("become.pl")!;
            await using (FileStream file = File.Create(_namespaces.Visible(_root + "/become.pl")))
                await become.CopyToAsync(file, cancel);
            DeviceFiles.Make(_namespaces.Visible(_root + "/dev"));
        }
        catch
        {
            await DownAsync();
            throw;
        }

        var layers = new HostLayers(_root + "/layers", _namespaces.Visible);
        var images = new ImageStore(new BuiltinImages(layers, _root + "/dns"), _root + "/images", _namespaces.Visible);
        _dns = new ClusterDns(_namespaces.Visible(_root + "/dns"), _options, [NodeAddresses.OutsideDns4, NodeAddresses.OutsideDns6]);
        _node = new NodeServices(
            _options, _namespaces, images, _lookup, _listener, new PodAddressPool(_options.PodNetworks), _root, FirstBackOff, LongestBackOff);
        _applying = Task.Run(ApplyLoopAsync, cancel);
        return new NodeInfo(
            [NodeAddresses.Node4, NodeAddresses.Node6],
            [new IPEndPoint(NodeAddresses.Node4, _options.ApiPort), new IPEndPoint(NodeAddresses.Node6, _options.ApiPort)],
            Notes());
    }

    /// <summary>Also hears laptops, on <see cref="NodeAddresses.PublicApi4"/>: the sockets are bound to any address of the node.</summary>
    public IReadOnlyList<Socket> OpenApiSockets() =>
    [
        NamespaceSockets.Listen(Namespaces.NetworkPath, new IPEndPoint(IPAddress.Any, _options.ApiPort)),
        NamespaceSockets.Listen(Namespaces.NetworkPath, new IPEndPoint(IPAddress.IPv6Any, _options.ApiPort)),
    ];

    public async Task DownAsync()
    {
        if (_down)
            return;
        _down = true;
        await Task.WhenAll(_pods.Values.Select(pod => pod.StopAsync(TimeSpan.Zero)));
        await _stop.CancelAsync();
        await _applying;
        if (_dns is not null)
            await _dns.DisposeAsync();
        if (_outside is not null)
            await _outside.DisposeAsync();
        if (_namespaces is not null)
            await _namespaces.DisposeAsync();
        await RemoveLeftoversAsync(_options.StateDirectory, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await DownAsync();
        _stop.Dispose();
        _servicesChanged.Dispose();
    }

    public void StartPod(JsonObject pod)
    {
        var worker = new PodWorker(Node, pod, _ => PublishRecords());
        if (!_pods.TryAdd(worker.Key.Uid, worker))
            throw new NodeException($"pod {worker.Key} is already there");
        worker.Start();
    }

    public async Task StopPodAsync(PodKey pod, TimeSpan grace)
    {
        if (!_pods.TryGetValue(pod.Uid, out PodWorker? worker))
            return;
        await worker.StopAsync(grace);
        _pods.TryRemove(pod.Uid, out _);
        PublishRecords();
    }

    public void PodChanged(JsonObject pod)
    {
        if (_pods.TryGetValue(PodKey.Of(pod).Uid, out PodWorker? worker))
            worker.PodChanged(pod);
    }

    public void VolumeSourceChanged(string resource, string namespaceName, string name)
    {
        foreach (PodWorker worker in _pods.Values.Where(worker => worker.Key.Namespace == namespaceName))
            worker.SourcesChanged();
    }

    public bool KillContainer(PodKey pod, string? container) =>
        _pods.TryGetValue(pod.Uid, out PodWorker? worker) && worker.Kill(container);

    public Task StreamLogsAsync(PodKey pod, string container, LogOptions options, Stream output, CancellationToken cancel) =>
        Worker(pod).Container(container).Log(options.Previous).StreamAsync(options, output, cancel);

    public async Task<int> ExecAsync(
        PodKey pod, string container, IReadOnlyList<string> command, ProcessStreams streams, CancellationToken cancel)
    {
        ContainerRun run = Worker(pod).Container(container).Running();
        using StartedProgram program = await run.ExecAsync(command, streams.Tty, cancel);
        return await ProgramStreams.JoinAsync(program, streams, cancel);
    }

    public async Task<int> AttachAsync(PodKey pod, string container, ProcessStreams streams, CancellationToken cancel)
    {
        ContainerRunner runner = Worker(pod).Container(container);
        ContainerRun run = runner.Running();
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task input = ProgramStreams.FeedAsync(run.Program, streams, left.Token);
        await run.Log.FollowFromNowAsync(streams.Stdout ?? Stream.Null, cancel);
        await left.CancelAsync();
        await input;
        return runner.State.ExitCode;
    }

    public async Task<Socket> DialPodAsync(PodKey pod, int port, CancellationToken cancel)
    {
        string network = Worker(pod).Sandbox.NetworkPath;
        try
        {
            return await NamespaceSockets.ConnectAsync(network, new IPEndPoint(IPAddress.Loopback, port), cancel);
        }
        catch (SocketException)
        {
            return await NamespaceSockets.ConnectAsync(network, new IPEndPoint(IPAddress.IPv6Loopback, port), cancel);
        }
    }

    public void ApplyServices(IReadOnlyList<ServiceView> services)
    {
        Volatile.Write(ref _services, services);
        _servicesChanged.Release();
        PublishRecords();
    }

    public Task<string> ImportImageAsync(string archivePath, string? name, CancellationToken cancel) =>
        Node.Images.ImportAsync(archivePath, name, cancel);

    /// <summary><c>pid</c>: the node's first process, for nsenter; <c>nft</c>: the NAT rules; <c>conntrack</c>: the flows.</summary>
    public async Task<JsonNode?> ControlAsync(string verb, IReadOnlyList<string> arguments, CancellationToken cancel) => verb switch
    {
        "pid" => JsonValue.Create(Namespaces.Pid),
        "nft" => JsonValue.Create(await InNodeAsync(["nft", "list", "ruleset"], "", cancel)),
        "conntrack" => JsonValue.Create(await InNodeAsync(["conntrack", "-L"], "", cancel)),
        _ => throw new NodeException($"the node has no verb {verb}"),
    };

    private NodeServices Node => _node ?? throw new NodeException("the node is not up");

    private HeldNamespaces Namespaces => _namespaces ?? throw new NodeException("the node is not up");

    private PodWorker Worker(PodKey pod) =>
        _pods.GetValueOrDefault(pod.Uid) ?? throw new NodeException($"pod {pod} is not running");

    private Task<string> InNodeAsync(string[] command, string input, CancellationToken cancel) =>
        Commands.RequireAsync(Commands.NsEnter, Namespaces.InNetwork(command), input, cancel);

    private void PublishRecords()
    {
        lock (_dnsGate)
        {
            IEnumerable<PodAddress> pods = _pods.Values.SelectMany(
                worker => worker.LiveAddresses.Select(address => new PodAddress(worker.Key.Namespace, address)));
            if (!_down)
                _dns?.Apply(ClusterRecords.Of(Volatile.Read(ref _services), pods, _options.ClusterDomain));
        }
    }

    // Many changes in a row become few rule sets: each round takes the newest snapshot.
    private async Task ApplyLoopAsync()
    {
        IReadOnlyList<ServiceView> applied = [];
        try
        {
            await InNodeAsync(["nft", "-f", "-"], ServiceRules.Write(applied, _options.ServiceNetworks), _stop.Token);
            while (true)
            {
                await _servicesChanged.WaitAsync(_stop.Token);
                IReadOnlyList<ServiceView> services = Volatile.Read(ref _services);
                if (ReferenceEquals(services, applied))
                    continue;
                await InNodeAsync(["nft", "-f", "-"], ServiceRules.Write(services, _options.ServiceNetworks), _stop.Token);
                foreach (string[] arguments in StaleFlows.Between(applied, services))
                    await Commands.RunAsync(Commands.NsEnter, Namespaces.InNetwork(["conntrack", .. arguments]), "", _stop.Token);
                applied = services;
            }
        }
        catch (OperationCanceledException)
        {
        }
        catch (NodeException error)
        {
            await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"node: Services are no longer applied: {error.Message}"));
        }
    }

    private Dictionary<string, string> Notes() => new()
    {
        ["node pid"] = Namespaces.Pid.ToString(CultureInfo.InvariantCulture),
        ["outside pid"] = _outside!.Pid.ToString(CultureInfo.InvariantCulture),
        ["api for laptops"] = $"{NodeAddresses.PublicApi4}:{_options.ApiPort}",
        ["egress"] = $"{NodeAddresses.Egress4} {NodeAddresses.Egress6}",
        ["outside dns"] = $"{NodeAddresses.OutsideDns4} {NodeAddresses.OutsideDns6}",
        ["cloud database"] = $"db.cloud.example.com {NodeAddresses.Database4} {NodeAddresses.Database6} (redis, 6379)",
        ["outside web"] = $"www.example.com {NodeAddresses.Web4} {NodeAddresses.Web6} (/ip, /bytes/N, /bytes/N/sha256; echo on 7)",
    };
}
