using System.Globalization;
using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>One Deployment that can be held: takes, renews and gives up the hold, and restores what a swap changed.</summary>
/// <remarks>Every write names the <c>resourceVersion</c> that was read, and is tried again with what is there when somebody else wrote meanwhile.</remarks>
internal sealed class HeldDeployment(KubeClient client, string @namespace, string name)
{
    private const int Attempts = 20;

    /// <summary>Reads the Deployment; null when there is none.</summary>
    internal async Task<JsonObject?> FindAsync(CancellationToken cancellation)
    {
        try
        {
            return await client.GetAsync(KubeRequest.GetDeployment(@namespace, name), KubeJson.Default.JsonObject, cancellation);
        }
        catch (KubeException fault) when (fault.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>Takes the hold; a dead holder's swap is restored first.</summary>
    /// <exception cref="UserError">Somebody else has it; nothing was changed.</exception>
    internal async Task TakeAsync(Hold mine, CancellationToken cancellation)
    {
        await WriteAsync(
            async item =>
            {
                Hold? present = Hold.Of(item);
                if (present is not null && present.Session != mine.Session)
                {
                    if (await IsAliveAsync(present, cancellation))
                        throw present.Refusal(name, @namespace);
                    await RestoreAsync(present.Session, cancellation);
                    await RemoveStandInAsync(present.StandIn, cancellation);
                    return null;
                }

                return new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = (mine with { Replicas = present?.Replicas }).ToPatch() } };
            },
            again: true,
            cancellation);
    }

    /// <summary>Notes the present number of replicas and scales to 0, in one request.</summary>
    /// <returns>How many there were; null when the hold is no longer this session's.</returns>
    internal async Task<int?> ScaleDownAsync(string session, CancellationToken cancellation)
    {
        int? before = null;
        await WriteAsync(
            item =>
            {
                int now = ReplicasOf(item);
                before = Hold.Of(item) is { } hold && hold.Session == session ? Math.Max(now, hold.Replicas ?? 0) : null;
                return Task.FromResult(before is null || now == 0 ? null : new JsonObject
                {
                    ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Hold.ReplicasKey] = now.ToString(CultureInfo.InvariantCulture) } },
                    ["spec"] = new JsonObject { ["replicas"] = 0 },
                });
            },
            again: false,
            cancellation);
        return before;
    }

    /// <summary>Gives up the session's hold and brings back the replicas. Does nothing when the hold is somebody else's, or nobody's.</summary>
    internal async Task RestoreAsync(string session, CancellationToken cancellation)
    {
        string? uid = null;
        await WriteAsync(
            item =>
            {
                if (Hold.Of(item) is not { } hold || hold.Session != session)
                    return Task.FromResult<JsonObject?>(null);
                uid = (string?)item["metadata"]!["uid"];
                JsonObject patch = new() { ["metadata"] = new JsonObject { ["annotations"] = Hold.RemovalPatch() } };

                // Who scaled it meanwhile wants it so.
                if (ReplicasOf(item) == 0 && hold.Replicas is > 0 and { } replicas)
                    patch["spec"] = new JsonObject { ["replicas"] = replicas };
                return Task.FromResult<JsonObject?>(patch);
            },
            again: false,
            cancellation);
        if (uid is not null)
            await TidyReplicaSetsAsync(uid, cancellation);
    }

    /// <summary>Deletes the stand-in and what belongs to it.</summary>
    internal async Task RemoveStandInAsync(string? standIn, CancellationToken cancellation)
    {
        if (standIn is null)
            return;
        await client.DeleteAsync(KubeRequest.DeleteDeployment(@namespace, standIn), cancellation);
        await new RestoreRights(client, @namespace, standIn).RemoveAsync(cancellation);
    }

    /// <summary>The replicas that a Deployment's spec asks for.</summary>
    internal static int ReplicasOf(JsonObject deployment) => deployment["spec"]?["replicas"] is JsonValue value && value.TryGetValue(out int replicas) ? replicas : 1;

    private async Task<bool> IsAliveAsync(Hold other, CancellationToken cancellation)
    {
        if (!other.IsStale(client.ServerTime))
            return true;
        if (other.StandIn is null)
            return false;
        JsonObject? standIn = await new HeldDeployment(client, @namespace, other.StandIn).FindAsync(cancellation);
        return standIn is not null && Hold.Of(standIn) is { } beat && !beat.IsStale(client.ServerTime);
    }

    // Reads, asks what to write, writes. With again, a change that asks for nothing is asked once more with what is there then.
    private async Task WriteAsync(Func<JsonObject, Task<JsonObject?>> change, bool again, CancellationToken cancellation)
    {
        for (int attempt = 1; ; attempt++)
        {
            if (await FindAsync(cancellation) is not { } item)
                return;
            JsonObject? patch = await change(item);
            if (patch is null)
            {
                if (!again || attempt >= Attempts)
                    return;
                continue;
            }

            patch["metadata"]!["resourceVersion"] = (string?)item["metadata"]!["resourceVersion"];
            try
            {
                Task writing = client.SendAsync(KubeRequest.PatchDeployment(@namespace, name), patch, KubeJson.Default.JsonObject, CancellationToken.None);
                await ClusterChange.LetFinishAsync(writing, cancellation);
                return;
            }
            catch (KubeException fault) when (fault.Status == 409 && attempt < Attempts)
            {
                // Somebody else wrote: a controller, an autoscaler, or another person who takes the hold.
            }
        }
    }

    // The Deployment controller copies annotations to the ReplicaSet and never takes them back; a later "kubectl rollout undo" would
    // bring them to the Deployment again. Who may not change ReplicaSets lives with that: such a hold is dead, and is treated so.
    private async Task TidyReplicaSetsAsync(string uid, CancellationToken cancellation)
    {
        try
        {
            KubeList<JsonObject> sets = await client.GetAsync(KubeRequest.ListReplicaSets(@namespace), KubeJson.Default.KubeListJsonObject, cancellation);
            foreach (JsonObject set in sets.Items ?? [])
            {
                if (Hold.Of(set) is null || set["metadata"]!["ownerReferences"] is not JsonArray owners || owners.All(owner => (string?)owner?["uid"] != uid))
                    continue;
                JsonObject patch = new() { ["metadata"] = new JsonObject { ["annotations"] = Hold.RemovalPatch() } };
                await client.SendAsync(KubeRequest.PatchReplicaSet(@namespace, (string)set["metadata"]!["name"]!), patch, KubeJson.Default.JsonObject, cancellation);
            }
        }
        catch (KubeException)
        {
            // No right, or no answer: nothing depends on it.
        }
    }
}
