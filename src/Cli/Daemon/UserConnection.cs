using System.Diagnostics;
using System.Net;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Engine;
using Telepresence.Cli.Machine;
using Telepresence.Cli.Session;
using Telepresence.Dns;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// One connection as the user daemon makes and keeps it.
/// </summary>
/// <remarks>
/// <para>Making it: kubectl proxy; then at once the Deployment, the questions about the cluster's networks and the addresses that must
/// stay outside; when the pod runs, a link and the session; with what the proxy then reports, the machine's network.</para>
/// <para>Keeping it: links are the engine's business as long as the session lasts. When the session is lost, with the pod or with the
/// proxy's memory, a new session is made with whatever pod runs next; the machine's network stays as it is meanwhile.</para>
/// </remarks>
internal sealed class UserConnection : IAsyncDisposable
{
    private static readonly TimeSpan UndoLimit = TimeSpan.FromSeconds(12), JournalLimit = TimeSpan.FromSeconds(30), StatusLimit = TimeSpan.FromSeconds(1), FollowInterval = TimeSpan.FromSeconds(30);

    private readonly ConnectRequest _request;
    private readonly InvokingUser _user;
    private readonly string _directory;
    private readonly DaemonChannel _channel;
    private readonly FileLog _log;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConnectEngine _engine = new();
    private readonly byte[] _key = PodSession.NewKey();
    private readonly SemaphoreSlim _routing = new(1, 1);
    private readonly HashSet<IPAddress> _foundAddresses = [], _askedAddresses = [];
    private Journal? _journal;
    private KubeAccess? _kube;
    private ProxyPod? _pod;
    private PodSession? _session;
    private NetworkPlan? _plan;
    private NetworkReport? _report;
    private Task _following = Task.CompletedTask;
    private volatile bool _connected, _stopped;

    /// <summary>Prepares a connection.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="user">The user this process runs as, with the environment.</param>
    /// <param name="directory">A directory that only this user can enter.</param>
    /// <param name="channel">The root daemon.</param>
    /// <param name="log">This daemon's log.</param>
    internal UserConnection(ConnectRequest request, InvokingUser user, string directory, DaemonChannel channel, FileLog log)
    {
        _request = request;
        _user = user;
        _directory = directory;
        _channel = channel;
        _log = log;
    }

    /// <summary>Ends, with the fault, when a bug has stopped the data path.</summary>
    internal Task DataPath => _engine.Running;

    /// <summary>Connects.</summary>
    /// <returns>The line for the user.</returns>
    /// <exception cref="UserError">It does not work, and why.</exception>
    internal async Task<string> ConnectAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _stopping.Token);
        Stopwatch clock = Stopwatch.StartNew();
        try
        {
            _journal = await OpenJournalAsync(_user, Tell, stop.Token);
            RemoveDeadSockets();
            Task<IReadOnlyList<IPAddress>> exceptions = NetworkPlan.FindExceptionsAsync(_request.Target.Server, _request.Options.NeverProxyHosts, _user.Environment, stop.Token);
            _kube = await KubeAccess.StartAsync(_user, _request.Target, _directory, stop.Token);
            _log.Detail($"kubectl proxy after {clock.ElapsedMilliseconds} ms");
            await UndoLeftoversAsync(_journal, _log, stop.Token);
            Task<ClusterNetwork> network = ClusterNetwork.FindAsync(_kube.Client, _request.Target.Namespace, stop.Token);
            _pod = new ProxyPod(_kube, new Cluster.Workloads.ConnectWorkload(_kube.Client, _journal, _request.Target, Template(), _log), Tell, _log);
            await _pod.StartAsync(stop.Token);
            _log.Detail($"pod {_pod.Name} runs after {clock.ElapsedMilliseconds} ms");
            _session = new PodSession(_engine, _pod, _key, _request.Target.Namespace, Tell, _log);
            PodReport info = await _session.StartAsync(stop.Token);
            _log.Detail($"session after {clock.ElapsedMilliseconds} ms");
            _plan = NetworkPlan.Make(_request, await network, info, await exceptions);
            await AttachAsync(_plan, stop.Token);
            _log.Detail($"network after {clock.ElapsedMilliseconds} ms");
        }
        catch (KubeException fault)
        {
            throw fault.Explanation;
        }

        _connected = true;
        _following = FollowHostsAsync();
        return $"Connected to context {_request.Target.Context}, namespace {_request.Target.Namespace} ({_request.Target.Server})";
    }

    // Until the machine's network is made, too, it is connecting.
    private PodSessionState State => _stopped ? PodSessionState.Disconnecting : _connected || _session?.State == PodSessionState.Reconnecting ? _session!.State : PodSessionState.Connecting;

    /// <summary>What is going on.</summary>
    internal async Task<StatusReport> GetStatusAsync()
    {
        EngineStatus engine;
        try
        {
            engine = await _engine.GetStatusAsync().WaitAsync(StatusLimit);
        }
        catch (TimeoutException)
        {
            // The machine is very busy, or a bug has stopped the data path; what is known without it is shown all the same.
            engine = new EngineStatus { Session = "Busy" };
        }

        string? trouble = _session?.Trouble ?? (engine.Session is "Established" or "None" ? null : engine.Reason);
        return StatusReporter.Make(_request, State.ToString(), trouble, _plan, _report, _session?.Report, _pod, engine);
    }

    /// <summary>Stops the data path and removes the Deployment.</summary>
    /// <returns>A sentence for what could not be removed, or an empty text.</returns>
    internal async Task<string> StopAsync()
    {
        _stopped = true;
        await _stopping.CancelAsync();
        if (_session is not null)
            await _session.DisposeAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task<string> tidying = TidyClusterAsync();

        // A data path that a bug has stopped takes no more orders.
        if (!_engine.Running.IsCompleted)
            await _engine.DisposeAsync();
        return await tidying;
    }

    /// <summary>Ends kubectl and closes the journal, which keeps what <see cref="StopAsync"/> could not remove.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_kube is not null)
            await _kube.DisposeAsync();
        _journal?.Dispose();
        _stopping.Dispose();
        _routing.Dispose();
    }

    /// <summary>Opens the user's journal of cluster objects, and waits for a process that is just undoing what a killed daemon left.</summary>
    /// <exception cref="UserError">It cannot be opened.</exception>
    internal static async Task<Journal> OpenJournalAsync(InvokingUser user, Action<string> progress, CancellationToken cancellation)
    {
        string path = DaemonPaths.UserJournal(user);
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(JournalLimit);
        bool told = false;
        try
        {
            return (await Journal.OpenWhenFreeAsync(path, ShouldWait, limit.Token))!;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new UserError(ExitCode.DaemonStart, $"{path} is held by another user daemon of {user.Name}, which does not end; run telepresence quit, then try again.");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserError(ExitCode.DaemonStart, $"{path} cannot be opened ({fault.Message}); it must belong to {user.Name}.", fault);
        }

        ValueTask<bool> ShouldWait()
        {
            if (!told)
                progress("Waiting until what an earlier connection left in the cluster is removed");
            told = true;
            return ValueTask.FromResult(true);
        }
    }

    /// <summary>Removes what an earlier daemon, which was killed, left in a cluster.</summary>
    internal static async Task<bool> UndoLeftoversAsync(Journal journal, FileLog log, CancellationToken cancellation)
    {
        if (journal.SetAside is not null)
            log.Write($"the journal held lines that make no sense; what they made is not removed, a copy is {journal.SetAside}");
        if (journal.Open.Count == 0)
            return true;
        log.Write($"removing what an earlier daemon left: {string.Join(", ", journal.Open.Select(static change => change.Description))}");
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(UndoLimit);
        try
        {
            IReadOnlyList<string> left = await journal.UndoAllAsync(limit.Token);
            foreach (string sentence in left)
                log.Write(sentence);
            return left.Count == 0;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            log.Write("it was not removed in time; the next start tries again");
            return false;
        }
    }

    // Whoever has the journal is the only one in this directory: what kubectl served for a daemon that was killed is dead.
    private void RemoveDeadSockets()
    {
        foreach (string socket in Directory.GetFiles(_directory, "kube-*.sock"))
            File.Delete(socket);
    }

    private ProxyDeployment Template() => new()
    {
        Name = "",
        Namespace = _request.Target.Namespace,
        Image = _request.Options.Image ?? ProxyDeployment.DefaultImage(_user.Environment),
        KeyHash = ProxyDeployment.HashOf(_key),
        Owner = $"{_user.Name}@{Environment.MachineName}",
        Since = DateTimeOffset.UtcNow,
    };

    private void Tell(string text)
    {
        _log.Write(text);
        _channel.Post(new Message { Kind = MessageKind.Progress, Text = text });
    }

    private async Task AttachAsync(NetworkPlan plan, CancellationToken cancellation)
    {
        Message configured = await _channel.CallAsync(new Message { Kind = MessageKind.Configure, Network = plan.Spec }, cancellation);
        _report = configured.Report!;
        IReadOnlyList<FileDescriptor> descriptors = configured.Descriptors;
        foreach (string sentence in _report.Skipped.Concat(plan.Notes))
            Tell(sentence);
        await _engine.AttachNetworkAsync(new EngineNetwork
        {
            Tun = descriptors[0],
            Mtu = _report.Mtu,
            DnsUdp = [.. descriptors.Skip(1).Take(_report.DnsUdpCount)],
            DnsTcp = [.. descriptors.Skip(1 + _report.DnsUdpCount)],
            DnsRules = RulesOf(plan, _report),
            LocalServers = ServersOf(_report),
            Routes = [.. _report.Routes.Select(IPNetwork.Parse)],
            RouteOutside = RouteFoundAsync,
        });
    }

    /// <summary>Follows the machine: other name servers, another search list, other routes.</summary>
    internal async Task AdoptAsync(NetworkReport report)
    {
        NetworkReport before = _report!;
        _report = report;
        foreach (string sentence in report.Skipped.Except(before.Skipped))
            _log.Write(sentence);
        if (!report.LocalServers.SequenceEqual(before.LocalServers))
            await _engine.SetLocalServersAsync(ServersOf(report));
        await _engine.SetDnsRulesAsync(RulesOf(_plan!, report));
    }

    private static DnsRules RulesOf(NetworkPlan plan, NetworkReport report) => new(plan.Names with { LocalSearch = report.LocalSearch });

    private static IReadOnlyList<IPEndPoint> ServersOf(NetworkReport report) => [.. report.LocalServers.Select(IPEndPoint.Parse)];

    // Names that only the cluster knows have addresses outside its networks: a route for each, unless the machine has one. A cluster
    // may not take an address of the machine's own networks by giving it a name.
    private Task RouteFoundAsync(IReadOnlyList<IPAddress> addresses) => RouteAsync(addresses, _foundAddresses);

    private Task RouteAskedAsync(IReadOnlyList<IPAddress> addresses) => RouteAsync(addresses, _askedAddresses);

    private async Task RouteAsync(IReadOnlyList<IPAddress> addresses, HashSet<IPAddress> known)
    {
        await _routing.WaitAsync(_stopping.Token);
        try
        {
            if (addresses.All(known.Contains))
                return;
            known.UnionWith(addresses);
            NetworkSpec spec = _plan!.Spec;
            spec = spec with { Found = [.. spec.Found, .. Singles(_foundAddresses)], AlsoProxy = [.. spec.AlsoProxy, .. Singles(_askedAddresses)] };
            NetworkReport report = (await _channel.CallAsync(new Message { Kind = MessageKind.Update, Network = spec }, _stopping.Token)).Report!;
            foreach (string sentence in report.Skipped.Except(_report!.Skipped))
                _log.Write(sentence);
            _report = report;
        }
        catch (UserError error)
        {
            // The name is answered all the same; what it leads to may be reached another way.
            _log.Write($"no route for {string.Join(", ", addresses)}: {error.Message}");
        }
        finally
        {
            _routing.Release();
        }
    }

    private static IEnumerable<string> Singles(IEnumerable<IPAddress> addresses) => addresses.Select(static address => NetworkPlan.Single(address).ToString());

    // Programs that look the name up themselves get a route with the answer; this is for those that keep an address, and for status.
    private async Task FollowHostsAsync()
    {
        while (_request.Options.AlsoProxyHosts.Count > 0)
        {
            foreach (string host in _request.Options.AlsoProxyHosts)
            {
                IReadOnlyList<IPAddress> addresses = await _engine.LookUpAsync(host);
                if (addresses.Count == 0)
                    _log.Write($"--also-proxy {host}: the cluster knows no address for it at present");
                await RouteAskedAsync(addresses);
            }

            await Task.Delay(FollowInterval, _stopping.Token);
        }
    }

    private async Task<string> TidyClusterAsync()
    {
        if (_journal is null || _journal.Open.Count == 0)
            return "";
        using CancellationTokenSource limit = new(UndoLimit);
        try
        {
            if (_kube is not null)
                await _kube.EnsureAsync(limit.Token);
            IReadOnlyList<string> left = await _journal.UndoAllAsync(limit.Token);
            return left.Count == 0 ? "" : $"{string.Join(' ', left)} The next connect tries again.";
        }
        catch (Exception fault) when (fault is OperationCanceledException or UserError)
        {
            return $"The API server does not answer, so this is left in the cluster until the next connect: {string.Join(", ", _journal.Open.Select(static change => change.Description))}.";
        }
    }
}
