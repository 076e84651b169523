using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;

using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// Waits until the proxy pod runs, and says meanwhile what it waits for.
/// </summary>
/// <remarks>
/// Two watches, on the Deployment (it alone knows that a quota or an admission rule keeps the pod from being made) and on its pods,
/// feed <see cref="PodDiagnosis"/>. Where the user may not watch, the same is read twice a second.
/// </remarks>
internal sealed class PodWatch(KubeClient client, IProxyWorkload workload, Action<string> progress)
{
    // A pod that is merely slow is waited for: images are large and registries far. What blocks it may pass, but seldom does.
    private static readonly TimeSpan BlockedLimit = TimeSpan.FromSeconds(30), EventsAfter = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500), RetryInterval = TimeSpan.FromSeconds(1);

    private static readonly bool[] PreviousThenPresent = [true, false];

    private readonly Dictionary<string, Pod> _pods = [];
    private Deployment? _deployment;

    /// <summary>Waits.</summary>
    /// <returns>The running pod.</returns>
    /// <exception cref="UserError">It cannot start, or does not in time.</exception>
    /// <exception cref="SysctlsForbiddenException">The cluster forbids the sysctls that it asks for.</exception>
    internal async Task<Pod> WaitAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        stop.CancelAfter(workload.StartLimit);
        Channel<Action> changes = Channel.CreateUnbounded<Action>();
        Task[] watches =
        [
            FollowAsync(KubeRequest.WatchDeployment(workload.Namespace, workload.Name), KubeJson.Default.Deployment, OnDeployment, changes.Writer, stop.Token),
            FollowAsync(KubeRequest.WatchPods(workload.Namespace, workload.PodSelector), KubeJson.Default.Pod, OnPod, changes.Writer, stop.Token),
        ];
        try
        {
            return await ExamineAsync(changes.Reader, stop.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            PodDiagnosis last = Examine();
            throw new UserError(last.ExitCode == ExitCode.Success ? ExitCode.ProxySilent : last.ExitCode, $"The proxy pod did not start within {workload.StartLimit.TotalMinutes:0} minutes: {last.Text}.");
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Looks once whether the pod has ended or cannot start.</summary>
    /// <returns>The failure, or null when there is none.</returns>
    /// <exception cref="KubeException">The API server refuses or does not answer.</exception>
    internal async Task<UserError?> FindFailureAsync(CancellationToken cancellation)
    {
        KubeList<Pod> pods = await client.GetAsync(KubeRequest.ListPods(workload.Namespace, workload.PodSelector), KubeJson.Default.KubeListPod, cancellation);
        _pods.Clear();
        foreach (Pod pod in pods.Items ?? [])
            OnPod("ADDED", pod);
        PodDiagnosis now = Examine();
        return now.Progress == PodProgress.Failed ? await FailureAsync(now, cancellation) as UserError : null;
    }

    private PodDiagnosis Examine() => PodDiagnosis.Examine(_deployment, _pods.Values, workload.Container);

    private async Task<Pod> ExamineAsync(ChannelReader<Action> changes, CancellationToken cancellation)
    {
        string said = "";
        string? pullFailure = null;
        DateTime? blockedSince = null, silentSince = null;
        while (true)
        {
            PodDiagnosis now = Examine();
            if (now.Progress == PodProgress.Running)
                return now.Pod!;
            pullFailure = now.PullFailure ?? pullFailure;
            if (now.ExitCode == ExitCode.ImagePull && now.Text.Contains("Back-off", StringComparison.Ordinal) && pullFailure is not null)
                now = PodDiagnosis.ImagePull(pullFailure, now.Init);
            if (now.Progress == PodProgress.Failed)
                throw await FailureAsync(now, cancellation);
            silentSince = now.Silent is null ? null : silentSince ?? DateTime.UtcNow;
            if (DateTime.UtcNow - silentSince > EventsAfter && await LastWarningAsync(now.Silent!, cancellation) is { } warning)
                now = new PodDiagnosis(PodProgress.Blocked, $"Waiting for the proxy pod {now.Silent!.Metadata.Name} to start: {warning}", ExitCode.PodRefused) { WantsRoom = warning.StartsWith("FailedAttachVolume", StringComparison.Ordinal) };
            if (now.Progress == PodProgress.Blocked)
            {
                if (now.WantsRoom)
                    await workload.MakeRoomAsync(cancellation);

                // Those that give way to it may take minutes to end; what is said of it meanwhile is no verdict.
                if (blockedSince is null || await workload.IsRoomComingAsync(cancellation))
                    blockedSince = DateTime.UtcNow;
                if (DateTime.UtcNow - blockedSince > BlockedLimit)
                    throw new UserError(now.ExitCode, $"{now.Text}; {BlockedLimit.TotalSeconds:0} seconds did not change that{(now.WantsRoom ? ", free resources or choose another namespace with --namespace" : "")}.");
            }
            else
            {
                blockedSince = null;
            }

            // Before the first word from the server there is nothing to say.
            if (now.Text != said && (_deployment is not null || _pods.Count > 0))
                progress(said = now.Text);
            using CancellationTokenSource wake = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            if (blockedSince is not null || silentSince is not null)
                wake.CancelAfter(RetryInterval);
            try
            {
                (await changes.ReadAsync(wake.Token))();
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                // Time to look whether it is blocked for too long, or why it is silent.
            }
        }
    }

    private async Task<Exception> FailureAsync(PodDiagnosis failed, CancellationToken cancellation)
    {
        if (failed.SysctlsForbidden && workload.AsksForSysctls)
            return new SysctlsForbiddenException(failed.Text);
        string log = failed.LogOf is { } container ? await LastWordsAsync(container, cancellation) : "";
        return new UserError(failed.ExitCode, log.Length > 0 ? $"{failed.Text}; its last words: {log}." : $"{failed.Text}.");
    }

    // What a node says of a pod that does not start is in its events and nowhere else: a volume that cannot be mounted, a network that is not there.
    private async Task<string?> LastWarningAsync(Pod pod, CancellationToken cancellation)
    {
        try
        {
            KubeList<EventObject> events = await client.GetAsync(KubeRequest.ListEventsOf(workload.Namespace, pod.Metadata.Uid ?? ""), KubeJson.Default.KubeListEventObject, cancellation);
            EventObject? last = (events.Items ?? []).Where(static seen => seen is { Message.Length: > 0, Reason: not "Unhealthy" })
                .OrderBy(static seen => seen.LastTimestamp ?? seen.EventTime ?? DateTimeOffset.MinValue).ThenBy(static seen => seen.Type != "Warning").LastOrDefault();

            // A warning that something newer has followed is history.
            return last is not { Type: "Warning" } ? null : string.Join(' ', $"{last.Reason}: {last.Message}".Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).TrimEnd('.');
        }
        catch (KubeException)
        {
            // No right to read events, or no answer; it is waited for without.
            return null;
        }
    }

    private async Task<string> LastWordsAsync(string container, CancellationToken cancellation)
    {
        foreach (string name in _pods.Keys)
        {
            foreach (bool previous in PreviousThenPresent)
            {
                try
                {
                    string text = await client.ReadTextAsync(KubeRequest.PodLog(workload.Namespace, name, container, previous), cancellation);
                    string line = string.Join(" | ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).TrimEnd('.');

                    // A kubelet that has removed the container of that run says so in place of its log.
                    if (line.Length > 0 && !line.StartsWith("unable to retrieve container logs", StringComparison.Ordinal))
                        return line;
                }
                catch (KubeException)
                {
                    // No log of that run, or no right to read it; the failure is reported without.
                }
            }
        }

        return "";
    }

    private void OnDeployment(string type, Deployment seen) => _deployment = type == "DELETED" ? null : seen;

    private void OnPod(string type, Pod seen)
    {
        if (type == "DELETED")
            _pods.Remove(seen.Metadata.Name!);
        else if (workload.Accepts(seen))
            _pods[seen.Metadata.Name!] = seen;
    }

    // Follows one watch for as long as it takes: servers end watches now and then, links break. A fault that will not pass ends the wait.
    private async Task FollowAsync<T>(KubeRequest watch, JsonTypeInfo<T> type, Action<string, T> onChange, ChannelWriter<Action> changes, CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                await foreach ((string kind, T seen) in client.WatchAsync(watch, type, cancellation))
                    changes.TryWrite(() => onChange(kind, seen));

                // Ended by the server. One that ends every watch at once must not be asked in a circle.
                await Task.Delay(RetryInterval, cancellation);
            }
            catch (KubeException fault) when (fault.IsForbidden)
            {
                await PollAsync(changes, cancellation);
            }
            catch (KubeException fault) when (fault.Status is 0 or 410 or 429 or >= 500)
            {
                await Task.Delay(RetryInterval, cancellation);
            }
            catch (KubeException fault)
            {
                changes.TryWrite(() => throw fault);
                return;
            }
        }
    }

    private async Task PollAsync(ChannelWriter<Action> changes, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                KubeList<Pod> pods = await client.GetAsync(KubeRequest.ListPods(workload.Namespace, workload.PodSelector), KubeJson.Default.KubeListPod, cancellation);
                Deployment seen = await client.GetAsync(KubeRequest.GetDeployment(workload.Namespace, workload.Name), KubeJson.Default.Deployment, cancellation);
                changes.TryWrite(() =>
                {
                    _deployment = seen;
                    _pods.Clear();
                    foreach (Pod pod in pods.Items ?? [])
                        OnPod("ADDED", pod);
                });
            }
            catch (KubeException fault) when (fault.Status is 401 or 403)
            {
                changes.TryWrite(() => throw fault);
                return;
            }
            catch (KubeException)
            {
                // Asked again below; the total limit ends a server that never answers.
            }

            await Task.Delay(PollInterval, cancellation);
        }
    }
}

/// <summary>The cluster forbids the sysctls that the proxy pod asks for; it works without, a little less.</summary>
internal sealed class SysctlsForbiddenException(string message) : Exception(message);
