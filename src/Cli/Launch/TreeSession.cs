using System.Net;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Daemon;
using Telepresence.Cli.Engine;
using Telepresence.Cli.Engine.Ports;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Launch.Shell;
using Telepresence.Cli.Launch.Variables;
using Telepresence.Cli.Launch.Volumes;
using Telepresence.Cli.Machine;
using Telepresence.Cli.Machine.Resolver;
using Telepresence.Cli.Session;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch;

/// <summary>
/// One process tree inside the cluster: the pod, the session with it, the tree's network, volumes and ports, and the command. The
/// composition root of the form without a verb.
/// </summary>
/// <remarks>
/// <para>What can be done side by side is: the namespaces are made while kubectl starts, the pod is described while the session is made,
/// network, ports and volumes come up together.</para>
/// <para>Under sudo, root is given up as soon as the holder of the namespaces runs; all else, and all that comes from a network, is the
/// invoking user's.</para>
/// </remarks>
internal sealed class TreeSession : IAsyncDisposable
{
    private static readonly TimeSpan UndoLimit = TimeSpan.FromSeconds(30), StepLimit = TimeSpan.FromSeconds(12), LeftoverLimit = TimeSpan.FromSeconds(10), ShortLoss = TimeSpan.FromSeconds(2);

    private readonly LaunchOptions _options;
    private readonly InvokingUser _user;
    private readonly Action<string> _say;
    private readonly FileLog _log;
    private readonly StartClock _clock = new();
    private readonly ConnectEngine _engine = new();
    private readonly byte[] _key = PodSession.NewKey();
    private readonly string _id = Guid.NewGuid().ToString("N")[..12];
    private readonly TaskCompletionSource<string> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopping = new();
    private readonly LinkNotes _linkNotes;
    private TreeMethod? _method;
    private Guardian? _guardian;
    private Journal? _journal;
    private KubeTarget? _target;
    private KubeAccess? _kube;
    private IProxyWorkload? _workload;
    private ProxyPod? _pod;
    private PodSession? _session;
    private TreeVolumes? _volumes;
    private ControlServer? _server;
    private SessionEntry? _entry;
    private IReadOnlyList<ExposedPort> _exposed = [];
    private string _directory = "";

    /// <summary>Prepares a session; nothing is changed yet.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="user">For whom.</param>
    /// <param name="say">Told what the user should know.</param>
    internal TreeSession(LaunchOptions options, InvokingUser user, Action<string> say)
    {
        _options = options;
        _user = user;
        _say = say;
        _log = FileLog.Later(options.LogFile, options.Verbose);
        _linkNotes = new LinkNotes(say, ShortLoss, TimeProvider.System);
    }

    /// <summary>Ends, with the reason, when the session with the pod, or what holds the namespaces, is lost.</summary>
    internal Task<string> Lost => _lost.Task;

    /// <summary>Brings everything up.</summary>
    /// <returns>False when it was lost again before it was complete; <see cref="Lost"/> says why.</returns>
    /// <exception cref="UserError">It does not work; <see cref="EndAsync"/> takes back what was done.</exception>
    internal async Task<bool> StartAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _stopping.Token);
        _ = CancelWithAsync(_lost.Task, stop);
        try
        {
            await ComposeAsync(stop);
        }
        catch (KubeException fault)
        {
            throw fault.Explanation;
        }
        catch (Exception fault) when (_lost.Task.IsCompleted && !cancellation.IsCancellationRequested && fault is OperationCanceledException or IOException)
        {
            return false;
        }

        if (_options.Verbose)
        {
            foreach (string line in _clock.ToTable().Split('\n'))
                _say(line);
        }

        return true;
    }

    /// <summary>Runs the command, or the shell, to its end.</summary>
    internal Task<int> RunAsync()
    {
        bool interactive = !Console.IsInputRedirected;
        UserShell shell = _options.Command.Count > 0
            ? new UserShell(_options.Command, new Dictionary<string, string>())
            : UserShell.Prepare(_user, _target!.Context, _directory, interactive);
        Task<int> ended = _method!.Host.RunAsync(shell.Command, TreeVariables.Merge(_user.Environment, _entry!.Pod, _entry.Own, shell.Variables), System.Environment.CurrentDirectory);
        OpenFilesLimit.Raise();
        return ended;
    }

    /// <summary>Sends the command a signal.</summary>
    internal void Signal(int signal) => _method?.Host.Signal(signal);

    /// <summary>Takes everything back. Whatever fails or hangs on the way, the rest is done all the same, and the cluster's part comes last.</summary>
    /// <param name="tell">Called first.</param>
    /// <returns>A sentence for each thing that is left.</returns>
    internal async Task<IReadOnlyList<string>> EndAsync(Action tell)
    {
        await TryAsync("saying so", () => Task.Run(tell));
        await _stopping.CancelAsync();
        await TryAsync("control socket", () => DisposeAsync(_server));
        await TryAsync("volumes", () => DisposeAsync(_volumes));
        await TryAsync("process tree", () => DisposeAsync(_method));
        await TryAsync("session", () => DisposeAsync(_session));
        if (!_engine.Running.IsCompleted)
            await TryAsync("data path", () => DisposeAsync(_engine));
        IReadOnlyList<string> left = await UndoAsync();
        if (left.Count == 0)
            _guardian?.Release();
        return left;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_kube is not null)
            await _kube.DisposeAsync();
        _journal?.Dispose();
        _guardian?.Dispose();
        _stopping.Dispose();
        _linkNotes.Dispose();
        _log.Dispose();
    }

    // One step of the end, whose failure must not keep the others from being done.
    private async Task TryAsync(string what, Func<Task> step)
    {
        try
        {
            await step().WaitAsync(StepLimit);
        }
        catch (Exception fault)
        {
            // The one catch-all of the end: a bug here is a line in the log, and not a Deployment that stays swapped.
            _log.Write($"ending the {what}: {(fault is TimeoutException ? "took too long" : fault)}");
        }
    }

    private static Task DisposeAsync(IAsyncDisposable? part) => part?.DisposeAsync().AsTask() ?? Task.CompletedTask;

    private async Task ComposeAsync(CancellationTokenSource stop)
    {
        // Root is needed for the namespaces alone. Without it there is nothing to wait for.
        Task<TreeMethod> choosing = _clock.TimeAsync("namespaces", Task.Run(() => TreeMethod.ChooseAsync(_options, _user, _say, _log, stop.Token)));
        if (Posix.geteuid() != _user.Uid)
        {
            _method = await choosing;
            Privileges.DropTo(_user);
        }

        _log.OpenNew();
        if (!_log.IsOpen)
            _say($"There is no log: {_log.Path}; --logfile names another file.");
        _ = CancelWithAsync(choosing, stop);
        try
        {
            await OpenAsync(stop.Token);
            await GetPodAsync(stop.Token);
        }
        catch (Exception fault) when (fault is OperationCanceledException or IOException && choosing.IsFaulted)
        {
            // Said below, as the cause of the other.
        }
        finally
        {
            // Whatever went wrong, what was begun is there to be ended.
            await ((Task)choosing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _method = choosing.IsCompletedSuccessfully ? await choosing : null;
        }

        _method = await choosing;
        _ = LoseWithAsync(_method.Host.Lost);
        await AttachAsync(stop.Token);
    }

    private async Task AttachAsync(CancellationToken cancellation)
    {
        PodReport report = _session!.Report!;
        PodDescription description = await PodDescription.ReadAsync(_kube!.Client, _target!.Namespace, _pod!.Name!, _workload!.Container, cancellation);
        Task<IReadOnlyDictionary<string, string>> network = _clock.TimeAsync("network", AttachNetworkAsync(report, cancellation));
        Task<TreeVolumes> volumes = _clock.TimeAsync("volumes", MountAsync(report, description, cancellation));
        IReadOnlyDictionary<string, string> pod = ContainerEnvironment.Of(report, description);
        try
        {
            IReadOnlyDictionary<string, string> method = await network;
            await _clock.TimeAsync("ports", OpenPortsAsync(description, cancellation));
            _volumes = await volumes;
            _entry = new SessionEntry
            {
                Holder = _method!.Host.Holder,
                Rootless = _method.Host.Rootless,
                HasNetwork = _method.Host.HasNetwork,
                Pod = pod,
                Own = TreeVariables.Own(_pod.Name!, _workload.Container, _volumes.Variables, method),
                Context = _target.Context,
                Directory = _directory,
            };
        }
        finally
        {
            await ((Task)volumes).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _volumes = volumes.IsCompletedSuccessfully ? await volumes : null;
        }

        EnvironmentFiles.Write(_options, pod, _say);
        await _clock.TimeAsync("takeover", _pod.TakeOverAsync(cancellation));
        Announce(pod);
        _server = ControlServer.Start(Path.Combine(_directory, SessionPlaces.ControlSocket), _user.Uid, ServeAsync, _log);
    }

    private async Task OpenAsync(CancellationToken cancellation)
    {
        string path = SessionPlaces.Journal(_user, _id);
        try
        {
            // Another session that begins looks into every journal for a moment.
            _journal = await Journal.OpenWhenFreeAsync(path, static () => ValueTask.FromResult(true), cancellation);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserError(ExitCode.DaemonStart, $"The session's journal {path} cannot be written: {fault.Message.TrimEnd('.')}; set XDG_STATE_HOME to a directory of yours.", fault);
        }

        _guardian = Guardian.Start(_user, "session-undo", "--journal", path);
        _directory = SessionPlaces.Of(_user, _id);
        await _journal!.ApplyAsync(new SessionDirectoryChange(_directory) { User = _user }, cancellation);
        _ = LoseWithEngineAsync();
        _target = await _clock.TimeAsync("kubeconfig", KubeTarget.ResolveAsync(_user, _options.Kubeconfig, _options.Context, _options.Namespace, cancellation));
        _kube = await _clock.TimeAsync("kubectl proxy", KubeAccess.StartAsync(_user, _target, _directory, cancellation));
        foreach (string sentence in await SessionJournals.UndoDeadAsync(_user, LeftoverLimit, Tell, cancellation))
            _say(sentence);
    }

    private async Task GetPodAsync(CancellationToken cancellation)
    {
        _log.Write($"version {ProductVersion.Text}, context {_target!.Context}, namespace {_target.Namespace}, server {_target.Server}");
        WorkloadContext context = new(_kube!.Client, _journal!, _target, $"{_user.Name}@{System.Environment.MachineName}", ProxyDeployment.HashOf(_key), Tell, _log);
        _workload = _options.ToWorkload(_user).Prepare(context);
        _pod = new ProxyPod(_kube, _workload, Tell, _log) { TakesOverLate = true };

        // From the first moment: a pod may be long in coming, and nobody shall take the Deployment for abandoned meanwhile.
        _ = LoseWithAsync(_workload.KeepAsync(_stopping.Token));
        await _clock.TimeAsync("pod", _pod.StartAsync(cancellation));
        _session = new PodSession(_engine, _pod, _key, _target.Namespace, Tell, _log)
        {
            ShouldReplace = false,
            LinkChanged = reason => Task.Run(() => _linkNotes.OnLink(reason)),
            Lost = reason => _lost.TrySetResult($"The session with pod {_pod.Name} is over: {reason}"),
        };
        await _clock.TimeAsync("session", _session.StartAsync(cancellation));
    }

    private async Task LoseWithAsync(Task<string> ending)
    {
        try
        {
            _lost.TrySetResult(await ending);
        }
        catch (OperationCanceledException)
        {
            // The session ends in the usual way.
        }
    }

    // A fault that stopped the event loop: a bug; nothing works any more.
    private async Task LoseWithEngineAsync()
    {
        try
        {
            await _engine.Running;
        }
        catch (Exception fault)
        {
            _log.Write($"bug in the data path: {fault}");
            _lost.TrySetResult($"A bug in telepresence has stopped the data path ({fault.Message}); please report it with the log {_log.Path}.");
        }
    }

    private static async Task CancelWithAsync(Task cause, CancellationTokenSource stop)
    {
        await cause.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (cause is { IsCompletedSuccessfully: true } and Task<TreeMethod>)
            return;
        try
        {
            await stop.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // The start was over first.
        }
    }

    // What the method needs programs to have in their environment.
    private async Task<IReadOnlyDictionary<string, string>> AttachNetworkAsync(PodReport report, CancellationToken cancellation)
    {
        IReadOnlyList<IPAddress> exceptions = await NetworkPlan.FindExceptionsAsync(_target!.Server, _options.NeverProxyHosts, _user.Environment, cancellation);
        ResolverSetup machine = await MachineResolver.ReadAsync(ownInterface: "", cancellation);
        return await _method!.AttachAsync(_engine, TreeNetwork.Plan(_options, _target, report, exceptions, machine), _directory, cancellation);
    }

    private Task<TreeVolumes> MountAsync(PodReport report, PodDescription description, CancellationToken cancellation) =>
        TreeVolumes.StartAsync(
            _engine,
            _journal!,
            _method!.Volumes,
            new VolumeSettings
            {
                Mount = _options.Mount,
                Writable = _options.MountWrite,
                Mounts = description.Mounts,
                ServesFiles = report.ServesFiles,
                RealPaths = _method.Host.Holder is not null,
                Uid = _user.Uid,
                Gid = _user.Gid,
                Home = _user.Home,
                WorkingDirectory = System.Environment.CurrentDirectory,
                Log = _log.Write,
            },
            cancellation);

    private async Task OpenPortsAsync(PodDescription description, CancellationToken cancellation)
    {
        _exposed = [.. _options.Expose, .. _options.Workload == WorkloadMode.New ? [] : Declared(description)];
        LocalPorts local = new(_method!.Inside);
        foreach (ushort port in _options.ToPod)
            await _engine.AddServiceAsync(scope => new PodPort(scope, port, local));
        ExposedPorts ports = await _engine.AddServiceAsync(scope =>
        {
            // A terminal that takes no more text must not stop the engine's loop, which calls this.
            ExposedPorts made = new(scope, _exposed, local, _method!.Listeners!, text => _ = Task.Run(() => _say(text)));
            _engine.Inbound = made;
            return made;
        });
        await ports.Opened.WaitAsync(cancellation);
    }

    // Ports that the Deployment declares are meant to be called; what the user said about one of them holds.
    private IEnumerable<ExposedPort> Declared(PodDescription description) =>
        from port in description.Ports
        where port.Protocol is "TCP" or "UDP" && port.Number is > 0 and <= ushort.MaxValue
        let exposed = new ExposedPort((ushort)port.Number, (ushort)port.Number, port.Protocol == "UDP") { IsDeclared = true }
        where !_options.Expose.Any(given => given.Remote == exposed.Remote && given.IsUdp == exposed.IsUdp)
        select exposed;

    private void Announce(IReadOnlyDictionary<string, string> pod)
    {
        foreach (ExposedPort port in _exposed.Where(static port => !port.PodLoopback))
            _say($"Forwarding remote port {port.Remote}{(port.IsUdp ? "/udp" : "")} to local port {port.Local}.");
        if (_exposed.Count == 0)
            _say("No port of the pod is forwarded to this machine; --expose PORT does that.");
        if (_volumes!.Variables.Count > 0)
            _say("Volumes are rooted at $TELEPRESENCE_ROOT.");
        foreach (string note in _volumes.Notes)
            _say(note);
        if (TreeVariables.Kept(pod) is { Count: > 0 } kept)
            _say($"These variables of the pod would hinder programs here and stay as they are on this machine: {string.Join(", ", kept)}.");
    }

    private void Tell(string text)
    {
        _log.Write(text);
        _say(text);
    }

    private async Task ServeAsync(ControlConnection connection, CancellationToken cancellation)
    {
        while (await connection.ReceiveAsync(cancellation) is Message message)
        {
            await connection.SendAsync(
                message.Kind switch
                {
                    MessageKind.Describe => new Message { Kind = MessageKind.Describe, Session = Describe() },
                    MessageKind.Enter => new Message { Kind = MessageKind.Enter, Entry = _entry },
                    _ => throw new IOException($"a front end does not send {message.Kind} here"),
                },
                cancellation);
        }
    }

    private SessionDescription Describe() => new()
    {
        Name = _workload!.Name,
        Pid = System.Environment.ProcessId,
        Version = ProductVersion.Text,
        Status = _session!.State.ToString(),
        Error = _session.Trouble,
        KubernetesServer = _target!.Server,
        KubernetesContext = _target.Context,
        Namespace = _target.Namespace,
        Workload = _options.Workload.ToString().ToLowerInvariant(),
        Pod = _pod!.Name,
        Method = _method!.Name,
        Exposed = _exposed.Count == 0 ? null : [.. _exposed.Select(static port => port.ToString())],
        Root = _volumes?.Variables.GetValueOrDefault("TELEPRESENCE_ROOT"),
        LogFile = _log.Path,
    };

    private async Task<IReadOnlyList<string>> UndoAsync()
    {
        if (_journal is null)
            return [];
        using CancellationTokenSource limit = new(UndoLimit);
        IReadOnlyList<string> left;
        try
        {
            if (_kube is not null)
                await _kube.EnsureAsync(limit.Token);
            left = await _journal.UndoAllAsync(limit.Token);
        }
        catch (Exception fault) when (fault is OperationCanceledException or UserError)
        {
            left = [$"The API server does not answer, so this is left until the next session: {string.Join(", ", _journal.Open.Select(static change => change.Description))}."];
        }

        _journal.Dispose();
        if (left.Count == 0)
            File.Delete(SessionPlaces.Journal(_user, _id));
        return left;
    }
}
