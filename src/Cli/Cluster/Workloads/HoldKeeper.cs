using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>Says every half minute that a session lives, and notices when its Deployment is no longer its own.</summary>
internal sealed class HoldKeeper(WorkloadContext context, string session)
{
    private bool _toldOfScaling, _loggedRefusal;

    /// <summary>Runs until cancelled, or until the hold is lost.</summary>
    /// <param name="beatOn">The Deployment that the sign of life is written on.</param>
    /// <param name="held">The Deployment that is held: the same, or the one that the other stands in for.</param>
    /// <param name="cancellation">The session ends.</param>
    /// <returns>Why the hold is lost.</returns>
    internal async Task<string> RunAsync(string beatOn, string held, CancellationToken cancellation)
    {
        while (true)
        {
            await Task.Delay(Hold.Heartbeat, cancellation);
            try
            {
                if (await LookAsync(held, swapped: held != beatOn, cancellation) is { } lost)
                    return lost;
                await BeatAsync(beatOn, cancellation);
            }
            catch (KubeException fault)
            {
                // The API server is away, or the right is missing: the session goes on for as long as its pod answers.
                if (!_loggedRefusal)
                    context.Log.Write($"no sign of life on deployment {beatOn}: {fault.Message}");
                _loggedRefusal = fault.IsForbidden;
            }
        }
    }

    /// <summary>Looks whether the hold is still this session's.</summary>
    /// <returns>Why not, or null.</returns>
    internal async Task<string?> LookAsync(string held, bool swapped, CancellationToken cancellation)
    {
        if (await new HeldDeployment(context.Client, context.Target.Namespace, held).FindAsync(cancellation) is not { } item)
            return swapped ? $"Deployment {held} was deleted while it was swapped." : null;
        if (Hold.Of(item) is not { } hold)
            return swapped ? $"Deployment {held} was restored by somebody else, or by its pod while there was no connection to it." : null;
        if (hold.Session != session)
            return $"Deployment {held} was taken over by {hold.Owner}, as this session was not heard for {Hold.StaleAfter.TotalSeconds:0} seconds.";
        if (swapped && HeldDeployment.ReplicasOf(item) > 0 && hold.Replicas is not null && !_toldOfScaling)
        {
            _toldOfScaling = true;
            context.Tell($"Deployment {held} was scaled to {HeldDeployment.ReplicasOf(item)} by somebody else while it is swapped (an autoscaler or a GitOps controller?); requests now reach its pods as well as this session.");
        }

        return null;
    }

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
