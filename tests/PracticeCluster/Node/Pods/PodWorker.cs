using System.Net;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>One pod from its binding to its end: volumes, sandbox, init containers, containers, removal.</summary>
internal sealed class PodWorker
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RefreshTokens = TimeSpan.FromSeconds(5);

    private readonly NodeServices _node;
    private readonly PodContext _context;
    private readonly PodVolumes _volumes;
    private readonly List<ContainerRunner> _init;
    private readonly List<ContainerRunner> _containers;
    private readonly Action<PodWorker> _addressesChanged;
    private readonly Lock _reportGate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _killNow = new();
    private readonly DateTime _startTime = DateTime.UtcNow;
    private readonly List<Task> _running = [];
    private Task _task = Task.CompletedTask;
    private Task? _stopping;
    private (string Phase, string Reason, string Message)? _fate;
    private int? _number;

    /// <param name="addressesChanged">Called when the pod's addresses begin or cease to be in use.</param>
    internal PodWorker(NodeServices node, JsonObject pod, Action<PodWorker> addressesChanged)
    {
        _node = node;
        _addressesChanged = addressesChanged;
        _context = new PodContext(node, pod, $"{node.Root}/pods/{PodKey.Of(pod).Uid}", Report);
        _volumes = new PodVolumes(_context.Visible(_context.Directory + "/volumes"), _context.Key, node.Lookup);
        _init = [.. pod.Items("spec", "initContainers").Select(spec => new ContainerRunner(_context, spec, isInit: true))];
        _containers = [.. pod.Items("spec", "containers").Select(spec => new ContainerRunner(_context, spec, isInit: false))];
    }

    internal PodKey Key => _context.Key;

    /// <summary>In use now.</summary>
    internal IReadOnlyList<IPAddress> LiveAddresses => _context.Sandbox is null ? [] : _context.Addresses;

    internal PodSandbox Sandbox => _context.Sandbox ?? throw new NodeException($"pod {Key} is not running");

    internal void Start() => _task = Task.Run(RunAsync);

    /// <exception cref="NodeException">No such container.</exception>
    internal ContainerRunner Container(string name) =>
        _init.Concat(_containers).FirstOrDefault(runner => runner.Name == name)
            ?? throw new NodeException($"container {name} is not valid for pod {Key.Name}");

    internal bool Kill(string? container) =>
        _init.Concat(_containers).Where(runner => container is null || runner.Name == container)
            .Aggregate(false, (any, runner) => runner.Kill() || any);

    internal void PodChanged(JsonObject pod)
    {
        _context.Pod = pod;
        SourcesChanged();
    }

    internal void SourcesChanged()
    {
        _context.SourcesChanged.Send();
        if (_context.Sandbox is not null)
            _volumes.Refresh(_context.Pod, _context.Fields);
    }

    /// <summary>Completes when nothing of the pod is left. Called again, it can only shorten the grace.</summary>
    internal Task StopAsync(TimeSpan grace)
    {
        lock (_reportGate)
        {
            if (grace <= TimeSpan.Zero)
                _killNow.Cancel();
            else if (_stopping is null || grace < _deadline - DateTime.UtcNow)
                _killNow.CancelAfter(grace);
            if (_stopping is null || DateTime.UtcNow + grace < _deadline)
                _deadline = DateTime.UtcNow + grace;
            return _stopping ??= Task.Run(StopAndRemoveAsync);
        }
    }

    private DateTime _deadline;

    private async Task RunAsync()
    {
        using var refresh = new CancellationTokenSource();
        try
        {
            Report();
            (int number, IPAddress[] addresses) = _node.Addresses.Take();
            _number = number;
            _context.Addresses = addresses;
            Directory.CreateDirectory(_context.Visible(_context.Directory + "/volumes"));
            await SetUpVolumesAsync();
            if (!await CreateSandboxAsync())
                return;
            _addressesChanged(this);
            Report();
            Task refreshing = RefreshAsync(refresh.Token);
            if (await RunInitContainersAsync())
            {
                await Task.WhenAll(_containers.Select(Run));
            }

            await refresh.CancelAsync();
            await refreshing;
            if (!_stop.IsCancellationRequested)
                await FinishAsync();
        }
        catch (OperationCanceledException)
        {
            // Stopped before it ran.
        }
        catch (NodeException error)
        {
            _fate = ("Failed", "NodeError", error.Message);
            Report();
        }
    }

    private async Task SetUpVolumesAsync()
    {
        while (true)
        {
            try
            {
                File.WriteAllText(_context.Visible(_context.Directory + "/resolv.conf"), ResolverFile.Resolve(_context.Pod, _node.Options));
                File.WriteAllText(_context.Visible(_context.Directory + "/hosts"), ResolverFile.Hosts(_context.Pod, _context.Addresses, _node.Options.ClusterDomain));
                File.WriteAllText(_context.Visible(_context.Directory + "/hostname"), (_context.Pod.Text("spec", "hostname") ?? Key.Name) + "\n");
                _volumes.SetUp(_context.Pod, _context.Fields);
                return;
            }
            catch (NodeException error)
            {
                _context.Event(null, "Warning", "FailedMount", error.Message);
                await _context.SourcesChanged.WaitAsync(Retry, _stop.Token);
            }
        }
    }

    private async Task<bool> CreateSandboxAsync()
    {
        while (true)
        {
            try
            {
                PodSandbox sandbox = await PodSandbox.CreateAsync(
                    _node.Namespaces, _context.Directory, _context.Pod, _number!.Value, _context.Addresses, _node.Addresses.Gateway, CancellationToken.None);
                _context.Sandbox = sandbox;
                return true;
            }
            catch (NodeException error) when (error.Message.StartsWith("forbidden sysctl", StringComparison.Ordinal))
            {
                _context.Event(null, "Warning", "SysctlForbidden", error.Message);
                _fate = ("Failed", "SysctlForbidden", "Pod was rejected: " + error.Message);
                Report();
                return false;
            }
            catch (NodeException error)
            {
                _context.Event(null, "Warning", "FailedCreatePodSandBox", error.Message);
                await Task.Delay(Retry, _stop.Token);
            }
        }
    }

    private async Task<bool> RunInitContainersAsync()
    {
        foreach (ContainerRunner runner in _init)
        {
            _stop.Token.ThrowIfCancellationRequested();
            Task task = Run(runner);
            await (runner.IsSidecar ? Task.WhenAny(task, runner.FirstStarted.Task) : task).WaitAsync(_stop.Token);
            if (!runner.IsSidecar && runner.State is not { Phase: ContainerPhase.Terminated, ExitCode: 0 })
                return false;
        }

        return true;
    }

    private Task Run(ContainerRunner runner)
    {
        Task task = runner.RunAsync();
        lock (_running)
            _running.Add(task);
        return task;
    }

    private async Task RefreshAsync(CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                await Task.Delay(RefreshTokens, cancel);
                _volumes.Refresh(_context.Pod, _context.Fields);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>All containers are over: the sandbox goes, the pod's object and its logs stay until it is deleted.</summary>
    private async Task FinishAsync()
    {
        await Task.WhenAll(_init.Where(runner => runner.IsSidecar).Select(runner => runner.StopAsync(_killNow.Token)));
        await RemoveSandboxAsync();
        Report();
    }

    private async Task StopAndRemoveAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_containers.Concat(_init.Where(runner => !runner.IsSidecar)).Select(runner => runner.StopAsync(_killNow.Token)));
        foreach (ContainerRunner sidecar in Enumerable.Reverse(_init).Where(runner => runner.IsSidecar))
            await sidecar.StopAsync(_killNow.Token);
        await _task;
        Task[] running;
        lock (_running)
            running = [.. _running];
        await Task.WhenAll(running);
        await RemoveSandboxAsync();
        if (_number is int number)
            _node.Addresses.Return(number);
        string directory = _context.Visible(_context.Directory);
        if (Directory.Exists(directory))
            Directory.Delete(directory, recursive: true);
    }

    private async Task RemoveSandboxAsync()
    {
        PodSandbox? sandbox = _context.Sandbox;
        if (sandbox is null)
            return;
        _context.Sandbox = null;
        _addressesChanged(this);
        await sandbox.RemoveAsync();
    }

    private void Report()
    {
        // The lock keeps the order of reports that of the states they tell.
        lock (_reportGate)
        {
            List<ContainerReport> init = [.. _init.Select(runner => runner.Report())];
            List<ContainerReport> containers = [.. _containers.Select(runner => runner.Report())];
            string phase = _fate?.Phase ?? PodPhase.Of(_context.Pod.Text("spec", "restartPolicy") ?? "Always", init, containers);
            IReadOnlyList<IPAddress> addresses = _context.Sandbox is null && phase is "Pending" ? [] : _context.Addresses;
            _node.Listener.PodStatus(Key, new PodReport(phase, _fate?.Reason, _fate?.Message, addresses, _startTime, init, containers));
        }
    }
}
