using System.Net;
using System.Net.Sockets;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Admission;
using Telepresence.PracticeCluster.Api;
using Telepresence.PracticeCluster.Controllers;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>Makes an <see cref="INode"/>.</summary>
internal delegate INode NodeFactory(NodeOptions options, IClusterLookup lookup, INodeListener listener);

/// <summary>The whole cluster: puts its parts together, starts and stops them in order.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private static readonly IPNetwork[] Services = [IPNetwork.Parse("10.96.0.0/16"), IPNetwork.Parse("fd00:10:96::/112")];
    private static readonly IPNetwork[] Pods = [IPNetwork.Parse("10.244.0.0/16"), IPNetwork.Parse("fd00:10:244::/64")];

    /// <summary>Port of the API server inside the node's namespace.</summary>
    public const int ApiPort = 6443;

    private readonly Credentials _credentials = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ControllerLoop _controllers;
    private readonly Furniture _furniture;
    private readonly NodeAgent _agent;
    private readonly NodeOptions _nodeOptions;
    private readonly Rbac _rbac;
    private readonly TokenIssuer _tokens;
    private readonly Authenticator _authenticator;
    private readonly Lock _awayGate = new();
    private Task _awayTask = Task.CompletedTask;
    private TaskCompletionSource _return = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ApiServices? _services;
    private ApiServer? _server;
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _work = Task.CompletedTask;

    /// <param name="users">The first is the administrator.</param>
    public Cluster(string stateDirectory, string instance, IReadOnlyList<StaticUser> users, NodeFactory makeNode)
    {
        Users = users;
        _nodeOptions = new NodeOptions(instance, stateDirectory, "practice", Pods, Services,
            [ServiceAddresses.Offset(Services[0], 10), ServiceAddresses.Offset(Services[1], 10)], "cluster.local", ApiPort);
        var store = new ObjectStore();
        _rbac = new Rbac(store);
        Registry = new Registry(store, new ServiceAddresses(Services[0], Services[1]), _rbac);
        _tokens = new TokenIssuer(store, _credentials.TokenKey);
        _authenticator = new Authenticator(users, _tokens);
        var events = new EventRecorder(Registry);
        _agent = new NodeAgent(Registry, events, _nodeOptions.NodeName);
        Node = makeNode(_nodeOptions, new ClusterLookup(store, _tokens, Faults, _credentials.CaPem, _nodeOptions.NodeName), _agent);
        _furniture = new Furniture(Registry, _nodeOptions);
        _controllers = new ControllerLoop(store,
        [
            new NamespaceController(Registry, _credentials.CaPem), new DeploymentController(Registry, events), new ReplicaSetController(Registry, events),
            new Scheduler(Registry, events), new EndpointsController(Registry), new GarbageCollector(Registry), new QuotaController(Registry),
            _agent, new ServiceNetwork(Registry, Node),
        ], message => Log?.Invoke(message));
    }

    public Registry Registry { get; }

    public Faults Faults { get; } = new();

    public INode Node { get; }

    public IReadOnlyList<StaticUser> Users { get; }

    public NodeInfo? NodeInfo { get; private set; }

    /// <summary>Where the laptop's side reaches the API; known once up.</summary>
    public IPEndPoint Address { get; private set; } = new(IPAddress.Loopback, 0);

    public string CaPem => _credentials.CaPem;

    public Action<string>? Log { get; set; }

    /// <summary>Ends only when a controller or the API server has failed beyond repair, with its exception.</summary>
    public Task Failure => Task.WhenAny(_work, _failed.Task).Unwrap();

    public async Task UpAsync(IPEndPoint listen, CancellationToken cancel)
    {
        var info = NodeInfo = await Node.UpAsync(cancel).ConfigureAwait(false);
        _agent.Attach(Node, info.Addresses);
        _furniture.Put(info, _credentials.CaPem);
        _furniture.Beat();
        var certificate = _credentials.ServerCertificate(
            ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", _nodeOptions.NodeName],
            [IPAddress.Loopback, IPAddress.IPv6Loopback, listen.Address, NodeAddresses.PublicApi4, NodeAddresses.PublicApi6, ServiceAddresses.Offset(Services[0], 1), .. info.ApiEndpoints.Select(e => e.Address)]);
        _services = new ApiServices(Registry, _rbac, _authenticator, _tokens, Node, Faults, certificate);
        Address = listen;
        await ServeAsync().ConfigureAwait(false);
        _work = Task.WhenAll(_controllers.RunAsync(_stopping.Token), BeatAsync(_stopping.Token));
    }

    /// <summary>Waits until what a fresh cluster runs by itself, its DNS, is available.</summary>
    /// <exception cref="NodeException">It did not become so in time.</exception>
    public async Task SettledAsync(TimeSpan patience)
    {
        using var changes = Registry.Store.Subscribe(ResourceTypes.Deployments, null, out _);
        using var time = new CancellationTokenSource(patience);
        try
        {
            await foreach (var change in changes.Changes.ReadAllAsync(time.Token).ConfigureAwait(false))
            {
                if (change.Item.Name() == Furniture.DnsName && change.Item.Num("status", "availableReplicas") >= change.Item.Num("spec", "replicas")) return;
            }
        }
        catch (OperationCanceledException)
        {
            throw new NodeException($"the cluster's DNS did not become available in {patience.TotalSeconds} s");
        }
    }

    /// <summary>The API server is not there for a time: listeners closed, connections cut. Returns at once.</summary>
    public void Away(TimeSpan time)
    {
        lock (_awayGate)
        {
            var before = _awayTask;
            _awayTask = AwayAsync(before, time, _return.Task);
        }
    }

    /// <summary>Whatever is left of the time away is over. Ends when the API server is back.</summary>
    public Task ReturnAsync()
    {
        lock (_awayGate)
        {
            _return.SetResult();
            _return = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _awayTask;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _awayTask.ConfigureAwait(false);
        if (_server is not null) await _server.DisposeAsync().ConfigureAwait(false);
        await Node.DownAsync().ConfigureAwait(false);
        await Node.DisposeAsync().ConfigureAwait(false);
        _services?.Certificate.Dispose();
        _credentials.Dispose();
        _stopping.Dispose();
    }

    private async Task AwayAsync(Task before, TimeSpan time, Task over)
    {
        await before.ConfigureAwait(false);
        if (_server is null || _stopping.IsCancellationRequested) return;
        await _server.DisposeAsync().ConfigureAwait(false);
        _server = null;
        await Task.WhenAny(Task.Delay(time, _stopping.Token), over).ConfigureAwait(false);
        try
        {
            if (!_stopping.IsCancellationRequested) await ServeAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException or NodeException)
        {
            _failed.TrySetException(e);
        }
    }

    private async Task ServeAsync()
    {
        var socket = new Socket(Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        socket.Bind(Address);
        socket.Listen(512);
        Address = (IPEndPoint)socket.LocalEndPoint!;
        _server = new ApiServer(_services!, [socket, .. Node.OpenApiSockets()]);
        await _server.StartAsync().ConfigureAwait(false);
    }

    private async Task BeatAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(10));
        while (await timer.WaitForNextTickAsync(cancel).ConfigureAwait(false)) _furniture.Beat();
    }
}
