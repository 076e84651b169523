using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>Says every half minute that a session lives, and notices when its Deployment is no longer its own.</summary>
internal sealed class HoldKeeper(WorkloadContext context, string session)
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TaskCompletionSource _soon = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _toldOfScaling, _loggedRefusal;

    /// <summary>The holder's session.</summary>
    internal string Session { get; } = session;

    /// <summary>From now on there is something to write the sign of life on.</summary>
    internal void Begin() => _begun.TrySetResult();

    /// <summary>The next sign of life is due at once.</summary>
    internal void BeatSoon() => _soon.TrySetResult();

    /// <summary>Waits for <see cref="Begin"/>, then runs until cancelled, or until the hold is lost.</summary>
    /// <param name="beatOn">The Deployment that the sign of life is written on.</param>
    /// <param name="held">The Deployment that is held: the same, or the one that the other stands in for.</param>
    /// <param name="cancellation">The session ends.</param>
    /// <returns>Why the hold is lost.</returns>
    internal async Task<string> RunAsync(string beatOn, string held, CancellationToken cancellation)
    {
        await _begun.Task.WaitAsync(cancellation);
        while (true)
        {
            _soon = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            TimeSpan next = Hold.Heartbeat;
            try
            {
                if (await LookAsync(held, beatOn, cancellation) is { } lost)
                    return lost;
                await BeatAsync(beatOn, cancellation);
                _loggedRefusal = false;
            }
            catch (KubeException fault)
            {
                // The API server is away, or the right is missing: the session goes on for as long as its pod answers.
                if (!_loggedRefusal)
                    context.Log.Write($"no sign of life on deployment {beatOn}: {fault.Message}");
                _loggedRefusal = true;
                if (!fault.IsForbidden)
                    next = Retry;
            }

            await Task.WhenAny(_soon.Task, Task.Delay(next, cancellation));
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Looks whether the hold is still this session's.</summary>
    /// <param name="held">The Deployment that is held.</param>
    /// <param name="beatOn">The same, or the one that stands in for it.</param>
    /// <param name="cancellation">Stops looking.</param>
    /// <returns>Why not, or null.</returns>
    internal async Task<string?> LookAsync(string held, string beatOn, CancellationToken cancellation)
    {
        bool swapped = held != beatOn;
        if (await new HeldDeployment(context.Client, context.Target.Namespace, held).FindAsync(cancellation) is not { } item)
            return swapped ? $"Deployment {held} was deleted while it was swapped." : null;
        if (Hold.Of(item) is not { } hold)
            return swapped ? Restored(held) : null;
        if (hold.Session != Session)
            return $"Deployment {held} was taken over by {hold.Owner}, as this session was not heard for {Hold.StaleAfter.TotalSeconds:0} seconds.";
        if (swapped && HeldDeployment.ReplicasOf(item) > 0 && hold.Replicas is not null && !_toldOfScaling)
        {
            // The pod brings back the replicas and deletes the stand-in; it may not touch the annotations.
            if (await new HeldDeployment(context.Client, context.Target.Namespace, beatOn).FindAsync(cancellation) is null)
                return Restored(held);
            _toldOfScaling = true;
            context.Tell($"Deployment {held} was scaled to {HeldDeployment.ReplicasOf(item)} by somebody else while it is swapped (an autoscaler or a GitOps controller?); requests now reach its pods as well as this session.");
        }

        return null;
    }

    private static string Restored(string held) => $"Deployment {held} was restored by somebody else, or by its pod while there was no connection to it.";

    private async Task BeatAsync(string name, CancellationToken cancellation)
    {
        JsonObject patch = new() { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Hold.HeardKey] = Hold.Format(context.Client.ServerTime) } } };
        try
        {
            await context.Client.SendAsync(KubeRequest.PatchDeployment(context.Target.Namespace, name), patch, KubeJson.Default.JsonObject, cancellation);
        }
        catch (KubeException fault) when (fault.IsNotFound)
        {
            // Deleted by somebody; who looks for the pod finds out.
        }
    }
}
