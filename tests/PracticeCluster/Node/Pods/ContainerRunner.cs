using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>One container of a pod: pull, start, watch, restart with back-off, until it is over.</summary>
internal sealed class ContainerRunner
{
    private static readonly TimeSpan RetryConfiguration = TimeSpan.FromSeconds(2), EndSeen = TimeSpan.FromSeconds(1);

    private readonly PodContext _pod;
    private readonly JsonNode _spec;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly BackOff _restarts;
    private readonly BackOff _pulls;
    private readonly string _restartPolicy;
    private ContainerState _state = new(ContainerPhase.Waiting, "ContainerCreating");
    private ContainerState? _lastState;
    private ContainerRun? _run;
    private ContainerLog? _log;
    private ContainerLog? _endedLog;
    private string? _endedId;
    private string? _removedId;
    private string _imageId = "";
    private string _containerId = "";
    private bool _started;
    private bool _ready;
    private int _restartCount;
    private int _runs;

    internal ContainerRunner(PodContext pod, JsonNode spec, bool isInit)
    {
        _pod = pod;
        _spec = spec;
        IsInit = isInit;
        IsSidecar = isInit && spec.Text("restartPolicy") == "Always";
        Name = spec.Text("name")!;
        _restarts = pod.Node.NewBackOff(firstIsFree: true);
        _pulls = pod.Node.NewBackOff(firstIsFree: false);
        string policy = pod.Pod.Text("spec", "restartPolicy") ?? "Always";
        // An init container that has succeeded is over; one that failed is tried again unless the policy is Never.
        _restartPolicy = IsSidecar ? "Always" : isInit && policy == "Always" ? "OnFailure" : policy;
        if (!isInit && pod.Pod.Items("spec", "initContainers").Any())
            _state = _state with { Reason = "PodInitializing" };
    }

    internal string Name { get; }

    internal bool IsInit { get; }

    internal bool IsSidecar { get; }

    /// <summary>Completes when it has passed its startup probe (or has none) for the first time.</summary>
    internal TaskCompletionSource FirstStarted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal ContainerState State
    {
        get
        {
            lock (_gate)
                return _state;
        }
    }

    internal ContainerReport Report()
    {
        lock (_gate)
        {
            bool ready = IsInit && !IsSidecar ? _state is { Phase: ContainerPhase.Terminated, ExitCode: 0 } : _ready;
            return new ContainerReport(Name, _spec.Text("image") ?? "", _imageId, _containerId, ready, _started, _restartCount, _state, _lastState);
        }
    }

    /// <summary>The present run.</summary>
    /// <exception cref="NodeException">It does not run.</exception>
    internal ContainerRun Running()
    {
        lock (_gate)
            return _run ?? throw new NodeException($"container {Name} is not running");
    }

    internal bool Kill()
    {
        lock (_gate)
        {
            _run?.Program.Signal(Native.SignalKill);
            return _run is not null;
        }
    }

    /// <summary>
    /// The log of this run or of the one before. A kubelet keeps one dead container only: while the last run stands there as ended, the
    /// one before it is removed already, and a sentence takes the place of its log, with the status of a success.
    /// </summary>
    /// <exception cref="NodeException">It has not run (yet), or has had no previous run.</exception>
    internal ContainerLog Log(bool previous)
    {
        lock (_gate)
        {
            if (!previous)
                return _log ?? throw new NodeException($"container \"{Name}\" in pod \"{_pod.Key.Name}\" is waiting to start: {_state.Reason}");
            if (_state.Phase == ContainerPhase.Terminated && _removedId is not null)
                return ContainerLog.Of($"unable to retrieve container logs for {_removedId}");
            return (_state.Phase == ContainerPhase.Terminated ? null : _endedLog)
                ?? throw new NodeException($"previous terminated container \"{Name}\" in pod \"{_pod.Key.Name}\" not found");
        }
    }

    /// <summary>Runs until the container is over by its restart policy, or has been stopped.</summary>
    internal async Task RunAsync()
    {
        try
        {
            do
            {
                Image image = await PullAsync();
                DateTime began = DateTime.UtcNow;
                await RunOnceAsync(image, began);
                if (_stop.IsCancellationRequested || !RestartsAfter(State.ExitCode))
                    return;
                await WaitBeforeRestartAsync(DateTime.UtcNow - began);
            }
            while (true);
        }
        catch (OperationCanceledException)
        {
            // Stopped while it waited for something: for its image, its configuration or its next try.
            if (State.Phase != ContainerPhase.Terminated)
                Set(() => _state = new ContainerState(ContainerPhase.Terminated, "ContainerStatusUnknown", ExitCode: 137, FinishedAt: DateTime.UtcNow));
        }
    }

    /// <summary>Ends it: preStop and SIGTERM now, SIGKILL when <paramref name="killNow"/> is cancelled.</summary>
    internal async Task StopAsync(CancellationToken killNow)
    {
        ContainerRun? run;
        lock (_gate)
            run = _run;
        await _stop.CancelAsync();
        if (run is not null)
        {
            _pod.Event(Name, "Normal", "Killing", $"Stopping container {Name}");
            await TerminateAsync(run, killNow);
        }
    }

    private async Task TerminateAsync(ContainerRun run, CancellationToken killNow)
    {
        if (_spec.At("lifecycle", "preStop") is JsonNode hook && !killNow.IsCancellationRequested)
            await HookAsync(run, hook, "PreStop", killNow);
        if (!killNow.IsCancellationRequested)
            run.Program.Signal(StopSignal(run.Plan.Image.Configuration.StopSignal));
        await using CancellationTokenRegistration kill = killNow.Register(() => run.Program.Signal(Native.SignalKill));
        await run.WaitAsync();
    }

    private static int StopSignal(string? name) => (name?.StartsWith("SIG", StringComparison.Ordinal) == true ? name[3..] : name) switch
    {
        null or "" or "TERM" => Native.SignalTerminate,
        "QUIT" => 3,
        "INT" => 2,
        "HUP" => 1,
        "USR1" => 10,
        "USR2" => 12,
        "WINCH" => 28,
        "KILL" => Native.SignalKill,
        string other => int.TryParse(other, CultureInfo.InvariantCulture, out int number) ? number : Native.SignalTerminate,
    };

    private async Task HookAsync(ContainerRun run, JsonNode hook, string what, CancellationToken cancel)
    {
        try
        {
            if (hook.Number("sleep", "seconds") is long seconds)
            {
                await Task.Delay(TimeSpan.FromSeconds(seconds), cancel);
                return;
            }

            using var prober = new Prober(_pod, _spec, run);
            JsonNode patient = hook.DeepClone();
            patient["timeoutSeconds"] = int.MaxValue / 1000;
            if (await prober.TryAsync(patient, cancel) is string failure)
                _pod.Event(Name, "Warning", $"Failed{what}Hook", $"{what}Hook failed: {failure}");
        }
        catch (OperationCanceledException)
        {
            // The grace is over; the hook has had its time.
        }
    }

    private async Task<Image> PullAsync()
    {
        string name = _spec.Text("image") ?? "";
        while (true)
        {
            DateTime began = DateTime.UtcNow;
            try
            {
                string policy = _spec.Text("imagePullPolicy") ?? (name.EndsWith(":latest", StringComparison.Ordinal) ? "Always" : "IfNotPresent");
                bool present = _pod.Node.Images.IsPresent(name);
                if (policy == "Never" && !present)
                    throw new NodeException($"Container image \"{name}\" is not present with pull policy of Never");
                if (present && policy != "Always")
                {
                    _pod.Event(Name, "Normal", "Pulled", $"Container image \"{name}\" already present on machine");
                    return _pod.Node.Images.Pull(name);
                }

                _pod.Event(Name, "Normal", "Pulling", $"Pulling image \"{name}\"");
                if (_pod.Node.Lookup.ImageFaultFor(name) is ImageFault fault)
                {
                    await Task.Delay(fault.Delay, _stop.Token);
                    if (fault.Failure is string failure)
                        throw new NodeException(failure);
                }

                Image image = _pod.Node.Images.Pull(name);
                _pod.Event(Name, "Normal", "Pulled", string.Create(CultureInfo.InvariantCulture,
                    $"Successfully pulled image \"{name}\" in {(DateTime.UtcNow - began).TotalMilliseconds:0}ms"));
                return image;
            }
            catch (NodeException error)
            {
                bool never = error.Message.Contains("pull policy of Never", StringComparison.Ordinal);
                string reason = never ? "ErrImageNeverPull" : "ErrImagePull";
                _pod.Event(Name, "Warning", "Failed", never ? error.Message : $"Failed to pull image \"{name}\": {error.Message}");
                _pod.Event(Name, "Warning", "Failed", $"Error: {reason}");
                Set(() => _state = new ContainerState(ContainerPhase.Waiting, reason, error.Message));
                await WaitBeforePullAsync(name, DateTime.UtcNow - began);
            }
        }
    }

    private async Task WaitBeforePullAsync(string name, TimeSpan lasted)
    {
        // The state changes only a moment after the failure, so that both are seen.
        await Task.Delay(TimeSpan.FromSeconds(1), _stop.Token);
        TimeSpan wait = _pulls.Next(lasted);
        _pod.Event(Name, "Normal", "BackOff", $"Back-off pulling image \"{name}\"");
        Set(() => _state = new ContainerState(ContainerPhase.Waiting, "ImagePullBackOff", $"Back-off pulling image \"{name}\""));
        await Task.Delay(wait, _stop.Token);
    }

    private async Task RunOnceAsync(Image image, DateTime began)
    {
        ContainerRun? run = await StartAsync(image);
        if (run is null)
            return;
        using (run)
        {
            using var ended = new CancellationTokenSource();
            DateTime started = DateTime.UtcNow;
            Set(() =>
            {
                _run = run;
                _state = new ContainerState(ContainerPhase.Running, StartedAt: started);
                _started = _spec.At("startupProbe") is null;
                _ready = _started && _spec.At("readinessProbe") is null;
            });
            _pod.Event(Name, "Normal", "Started", $"Started container {Name}");
            if (_started)
                FirstStarted.TrySetResult();
            if (_stop.IsCancellationRequested)
                run.Program.Signal(Native.SignalKill);
            Task probes = ProbeAsync(run, ended.Token);
            int code = await run.WaitAsync();
            await ended.CancelAsync();
            await probes;
            string? message = run.TerminationMessage(code, _spec.Text("terminationMessagePolicy"));
            Set(() =>
            {
                _run = null;
                _ready = false;
                _started = false;
                EndRun(new ContainerState(
                    ContainerPhase.Terminated, code == 0 ? "Completed" : "Error", message, code, 0, started, DateTime.UtcNow));
            });
        }
    }

    /// <returns>null when the program could not be started, which the state then says.</returns>
    private async Task<ContainerRun?> StartAsync(Image image)
    {
        while (true)
        {
            string directory = string.Create(CultureInfo.InvariantCulture, $"{_pod.Directory}/containers/{Name}.{_runs++}");
            ContainerPlan plan;
            try
            {
                Directory.CreateDirectory(_pod.Visible(directory));
                File.WriteAllText(_pod.Visible($"{directory}/termination-log"), "");
                File.SetUnixFileMode(_pod.Visible($"{directory}/termination-log"), (UnixFileMode)0x1B6);
                plan = new ContainerPlanner(_pod, _spec).Plan(image, directory);
            }
            catch (NodeException error)
            {
                _pod.Event(Name, "Warning", "Failed", $"Error: {error.Message}");
                Set(() => _state = new ContainerState(ContainerPhase.Waiting, "CreateContainerConfigError", error.Message));
                await _pod.SourcesChanged.WaitAsync(RetryConfiguration, _stop.Token);
                continue;
            }

            var log = new ContainerLog();
            Set(() =>
            {
                _log = log;
                _imageId = $"{image.Reference.Split('@')[0]}@{image.Id}";
                _containerId = "containerd://" + Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32));
            }, report: false);
            _pod.Event(Name, "Normal", "Created", $"Created container: {Name}");
            try
            {
                return await ContainerRun.StartAsync(_pod, plan, log, _spec.Flag("tty") == true, _spec.Flag("stdin") == true, _stop.Token);
            }
            catch (NodeException error)
            {
                log.End();
                string message = $"failed to create containerd task: failed to create shim task: OCI runtime create failed: {error.Message}";
                _pod.Event(Name, "Warning", "Failed", $"Error: {message}");
                DateTime now = DateTime.UtcNow;
                Set(() => EndRun(new ContainerState(ContainerPhase.Terminated, "StartError", message, 128, 0, now, now)));
                Directory.Delete(_pod.Visible(directory), recursive: true);
                return null;
            }
        }
    }

    private void EndRun(ContainerState state)
    {
        _state = state;
        _removedId = _endedId;
        _endedId = _containerId;
        _endedLog = _log;
    }

    private bool RestartsAfter(int exitCode) => _restartPolicy switch
    {
        "Never" => false,
        "OnFailure" => exitCode != 0,
        _ => true,
    };

    private async Task WaitBeforeRestartAsync(TimeSpan lasted)
    {
        TimeSpan wait = _restarts.Next(lasted);
        ContainerState ended = State;
        if (wait > TimeSpan.Zero)
        {
            // As after a failed pull: how it ended is to be seen before the back-off is.
            TimeSpan seen = wait < EndSeen ? wait : EndSeen;
            await Task.Delay(seen, _stop.Token);
            string message = string.Create(CultureInfo.InvariantCulture,
                $"back-off {wait.TotalSeconds:0}s restarting failed container={Name} pod={_pod.Key.Name}_{_pod.Key.Namespace}({_pod.Key.Uid})");
            _pod.Event(Name, "Warning", "BackOff", $"Back-off restarting failed container {Name} in pod {_pod.Key.Name}_{_pod.Key.Namespace}({_pod.Key.Uid})");
            Set(() =>
            {
                _lastState = ended;
                _state = new ContainerState(ContainerPhase.Waiting, "CrashLoopBackOff", message);
            });
            try
            {
                await Task.Delay(wait - seen, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                Set(() => _state = ended);
                throw;
            }
        }

        Set(() =>
        {
            _lastState = ended;
            _restartCount++;
        }, report: false);
    }

    private async Task ProbeAsync(ContainerRun run, CancellationToken ended)
    {
        using var prober = new Prober(_pod, _spec, run);
        try
        {
            if (_spec.At("lifecycle", "postStart") is JsonNode hook)
                await HookAsync(run, hook, "PostStart", ended);
            if (_spec.At("startupProbe") is JsonNode startup)
            {
                await foreach (bool passes in DecisionsAsync(prober, startup, "Startup", ended))
                {
                    if (passes)
                        break;
                    await RestartUnhealthyAsync(run, "startup", startup, ended);
                    return;
                }

                Set(() =>
                {
                    _started = true;
                    _ready = _spec.At("readinessProbe") is null;
                });
                FirstStarted.TrySetResult();
            }

            await Task.WhenAll(ReadinessAsync(prober, ended), LivenessAsync(prober, run, ended));
        }
        catch (OperationCanceledException)
        {
            // The container has ended, and its probes with it.
        }
    }

    private async Task ReadinessAsync(Prober prober, CancellationToken ended)
    {
        if (_spec.At("readinessProbe") is not JsonNode probe)
            return;
        await foreach (bool passes in DecisionsAsync(prober, probe, "Readiness", ended))
            Set(() => _ready = passes);
    }

    private async Task LivenessAsync(Prober prober, ContainerRun run, CancellationToken ended)
    {
        if (_spec.At("livenessProbe") is not JsonNode probe)
            return;
        await foreach (bool passes in DecisionsAsync(prober, probe, "Liveness", ended))
        {
            if (passes)
                continue;
            await RestartUnhealthyAsync(run, "liveness", probe, ended);
            return;
        }
    }

    private async IAsyncEnumerable<bool> DecisionsAsync(
        Prober prober, JsonNode probe, string what, [EnumeratorCancellation] CancellationToken ended)
    {
        var schedule = new ProbeSchedule(probe);
        await Task.Delay(schedule.InitialDelay, ended);
        while (true)
        {
            string? failure = await prober.TryAsync(probe, ended);
            ended.ThrowIfCancellationRequested();
            if (failure is not null)
                _pod.Event(Name, "Warning", "Unhealthy", $"{what} probe failed: {failure}");
            if (schedule.Add(failure is null) is bool decision)
                yield return decision;
            await Task.Delay(schedule.Period, ended);
        }
    }

    private async Task RestartUnhealthyAsync(ContainerRun run, string what, JsonNode probe, CancellationToken ended)
    {
        _pod.Event(Name, "Normal", "Killing", $"Container {Name} failed {what} probe, will be restarted");
        long seconds = probe.Number("terminationGracePeriodSeconds") ?? _pod.Pod.Number("spec", "terminationGracePeriodSeconds") ?? 30;
        run.Program.Signal(StopSignal(run.Plan.Image.Configuration.StopSignal));
        await Task.Delay(TimeSpan.FromSeconds(seconds), ended);
        run.Program.Signal(Native.SignalKill);
    }

    private void Set(Action change, bool report = true)
    {
        lock (_gate)
            change();
        if (report)
            _pod.Changed();
    }
}
