using System.Net;
using System.Security.Cryptography;
using System.Text.Json;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Daemon;
using Telepresence.Cli.Engine;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Session;

/// <summary>
/// The session with a proxy pod, made and kept: links are the engine's business as long as the session lasts; when it is lost, with the pod
/// or with the proxy's memory, a new one is made with whatever pod runs next, as often as it takes.
/// </summary>
/// <param name="engine">Carries the traffic.</param>
/// <param name="pod">Finds the pod and makes links to it.</param>
/// <param name="key">The session key, whose hash the pod knows.</param>
/// <param name="ns">The pod's namespace, for messages.</param>
/// <param name="tell">Told what is waited for.</param>
/// <param name="log">The process's log.</param>
internal sealed class PodSession(ConnectEngine engine, ProxyPod pod, byte[] key, string ns, Action<string> tell, FileLog log) : IAsyncDisposable
{
    /// <summary>Length of a session key in bytes.</summary>
    internal const int KeyLength = 32;

    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(30), LookInterval = TimeSpan.FromSeconds(1), LongestRetry = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource _stopping = new();
    private Task _keeping = Task.CompletedTask;
    private volatile PodReport? _report;
    private volatile PodSessionState _state = PodSessionState.Connecting;
    private volatile string? _trouble;

    /// <summary>How it is.</summary>
    internal PodSessionState State => _state;

    /// <summary>What is wrong at present, or null.</summary>
    internal string? Trouble => _trouble;

    /// <summary>What the proxy said about its pod, last; null before the first session.</summary>
    internal PodReport? Report => _report;

    /// <summary>Called when the link went down, with the reason, or came back, with null. Any thread.</summary>
    internal Action<string?>? LinkChanged { get; set; }

    /// <summary>Called when the session was lost, with the reason; what <see cref="ShouldReplace"/> says comes next. Any thread.</summary>
    internal Action<string>? Lost { get; set; }

    /// <summary>Called when another session was made after a loss. A pool thread.</summary>
    internal Action<PodReport>? Replaced { get; set; }

    /// <summary>Whether a lost session is replaced at all; it is by default.</summary>
    internal bool ShouldReplace { get; init; } = true;

    /// <summary>A new session key.</summary>
    internal static byte[] NewKey() => RandomNumberGenerator.GetBytes(KeyLength);

    /// <summary>Makes the first session. The pod runs.</summary>
    /// <exception cref="UserError">It does not come about, and why.</exception>
    internal async Task<PodReport> StartAsync(CancellationToken cancellation)
    {
        engine.LinkChanged = OnLink;
        engine.SessionLost = OnSessionLost;
        PodReport report = await MakeAsync(cancellation);

        // A session that was lost meanwhile is being replaced already, and says so.
        if (_state == PodSessionState.Connecting)
            _state = PodSessionState.Connected;
        return report;
    }

    /// <summary>Stops keeping it; the engine ends the session.</summary>
    public async ValueTask DisposeAsync()
    {
        _state = PodSessionState.Disconnecting;
        engine.LinkChanged = null;
        engine.SessionLost = null;
        await _stopping.CancelAsync();
        await _keeping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private void OnLink(string? reason)
    {
        log.Write(reason is null ? "link is up" : $"link is down: {reason}");
        _trouble = reason;
        if (_state is PodSessionState.Connected or PodSessionState.Reconnecting)
            _state = reason is null ? PodSessionState.Connected : PodSessionState.Reconnecting;
        LinkChanged?.Invoke(reason);
    }

    private void OnSessionLost(string reason)
    {
        log.Write($"session lost: {reason}");
        _trouble = reason;
        _state = PodSessionState.Reconnecting;
        if (ShouldReplace)
            _keeping = Task.Run(KeepAsync);
        Lost?.Invoke(reason);
    }

    private async Task KeepAsync()
    {
        TimeSpan delay = TimeSpan.FromMilliseconds(200);
        while (true)
        {
            try
            {
                await pod.FindAgainAsync(_stopping.Token);
                PodReport report = await MakeAsync(_stopping.Token);
                _trouble = null;
                _state = PodSessionState.Connected;
                Replaced?.Invoke(report);
                return;
            }
            catch (Exception fault) when (!_stopping.IsCancellationRequested)
            {
                // The one catch-all of keeping: whatever it is, a connection that nobody tries to mend any more helps nobody.
                if (fault is not (UserError or KubeException or IOException or SysctlsForbiddenException))
                    log.Write($"bug while reconnecting: {fault}");
                _trouble = (fault as KubeException)?.Explanation.Message ?? fault.Message;
                log.Write($"not connected again yet: {_trouble}");
            }

            await Task.Delay(delay, _stopping.Token);
            delay = delay * 2 < LongestRetry ? delay * 2 : LongestRetry;
        }
    }

    private async Task<PodReport> MakeAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task<UserError?> watching = WatchForFailureAsync(limit);
        limit.CancelAfter(HandshakeLimit);
        MuxSessionOptions options = new() { Version = ProductVersion.Text, SessionId = Guid.NewGuid(), Key = key };
        try
        {
            PodReport report = Read(await engine.ConnectAsync(options, pod, limit.Token));
            log.Write($"session {options.SessionId} with pod {pod.Name}, proxy version {report.Version}");
            return _report = report;
        }
        catch (SessionLostException lost)
        {
            int code = lost.Message.Contains("version", StringComparison.OrdinalIgnoreCase) ? ExitCode.ProxyVersion : ExitCode.ProxyEnded;
            throw new UserError(code, lost.Message.EndsWith('.') ? lost.Message : lost.Message + ".", lost);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            await ((Task)watching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw (watching.IsCompletedSuccessfully ? await watching : null) ?? new UserError(
                pod.LastLinkEnd is null ? ExitCode.ProxySilent : ExitCode.PortForward,
                $"The proxy pod {pod.Name} does not answer through a port-forward{(pod.LastLinkEnd is { } reason ? $": {reason.TrimEnd('.')}" : "")}; kubectl logs -n {ns} {pod.Name} may say why.");
        }
        finally
        {
            await limit.CancelAsync();
            await ((Task)watching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static PodReport Read(byte[] json)
    {
        try
        {
            if (JsonSerializer.Deserialize(json, PodReportJson.Default.PodReport) is { Addresses: not null, Routes: not null, ResolvConf: not null } report)
            {
                _ = report.Addresses.Select(IPAddress.Parse).Count();
                _ = report.Routes.Select(IPNetwork.Parse).Count();
                return report;
            }
        }
        catch (Exception fault) when (fault is JsonException or FormatException)
        {
            throw new UserError(ExitCode.ProxyVersion, $"The proxy pod's report about itself makes no sense ({fault.Message}); its image must be telepresence-k8s:{ProductVersion.Text}.", fault);
        }

        throw new UserError(ExitCode.ProxyVersion, $"The proxy pod's report about itself is empty; its image must be telepresence-k8s:{ProductVersion.Text}.");
    }

    // Links are tried again and again, which is right for a network and pointless for a missing right or a proxy that crashes.
    private async Task<UserError?> WatchForFailureAsync(CancellationTokenSource attempt)
    {
        string? told = null;
        for (int look = 1; ; look++)
        {
            await Task.Delay(LookInterval, attempt.Token);

            // The first links may come before the proxy listens; what still fails after some seconds is worth a line.
            if (look >= 3 && pod.LastLinkEnd is { } reason && reason != told)
                tell($"Waiting for a port-forward to the proxy pod: {told = reason}");
            if (await pod.FindFailureAsync(attempt.Token) is { } failure)
            {
                await attempt.CancelAsync();
                return failure;
            }
        }
    }
}

/// <summary>How a <see cref="PodSession"/> is.</summary>
internal enum PodSessionState
{
    /// <summary>The first session is being made.</summary>
    Connecting,

    /// <summary>There is a session with a link.</summary>
    Connected,

    /// <summary>The link, or the session, is being made anew.</summary>
    Reconnecting,

    /// <summary>It is being ended.</summary>
    Disconnecting,
}
