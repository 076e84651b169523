using System.Globalization;
using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>One Deployment that can be held: takes, renews and gives up the hold, and restores what a swap changed.</summary>
/// <remarks>Every write names the <c>resourceVersion</c> that was read, and is tried again with what is there when somebody else wrote meanwhile.</remarks>
internal sealed class HeldDeployment(KubeClient client, string @namespace, string name)
{
    private const int Attempts = 20;
    private const string Writer = "telepresence";

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
    internal async Task TakeAsync(Hold mine, HoldObserver observer, CancellationToken cancellation)
    {
        Hold? other = null;
        bool taken = await WriteAsync(
            async item =>
            {
                Hold? present = Hold.Of(item);
                if (present is not null && present.Session != mine.Session)
                {
                    other = present;
                    if (await IsAliveAsync(present, observer, cancellation))
                        throw present.Refusal(name, @namespace);
                    await RestoreAsync(present.Session, cancellation);
                    await RemoveStandInAsync(present.StandIn, present.Session, cancellation);
                    return null;
                }

                Hold written = mine with { Replicas = present?.Replicas, Uid = (string?)item["metadata"]!["uid"] };
                return new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = written.ToPatch() } };
            },
            again: true,
            cancellation);
        if (!taken)
            throw other?.Refusal(name, @namespace) ?? new UserError(ExitCode.WorkloadMissing, $"Deployment {name} in namespace {@namespace} was deleted just now.");
        await RemoveOtherStandInsAsync(mine.Session, cancellation);
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
        JsonObject? held = null;
        await WriteAsync(
            item =>
            {
                if (Hold.Of(item) is not { } hold || hold.Session != session)
                    return Task.FromResult<JsonObject?>(null);
                held = item;
                JsonObject patch = new() { ["metadata"] = new JsonObject { ["annotations"] = Hold.RemovalPatch() } };

                // Who scaled it meanwhile wants it so.
                if (ReplicasOf(item) == 0 && hold.Replicas is > 0 and { } replicas)
                    patch["spec"] = new JsonObject { ["replicas"] = replicas };
                return Task.FromResult<JsonObject?>(patch);
            },
            again: false,
            cancellation);
        if (held is null)
            return;
        await TidyReplicaSetsAsync(held, cancellation);
        await ForgetWriterAsync(cancellation);
    }

    /// <summary>Deletes a session's stand-in and what belongs to it. The name may come from an annotation, so what has it is looked at first.</summary>
    internal async Task RemoveStandInAsync(string? standIn, string session, CancellationToken cancellation)
    {
        if (standIn is null)
            return;
        await ClusterChange.DeleteOwnAsync(client, KubeRequest.GetDeployment(@namespace, standIn), KubeRequest.DeleteDeployment(@namespace, standIn), session, StandIn.Component, cancellation);
        await new RestoreRights(client, @namespace, standIn, session).RemoveAsync(cancellation);
    }

    /// <summary>The replicas that a Deployment's spec asks for.</summary>
    internal static int ReplicasOf(JsonObject deployment) => deployment["spec"]?["replicas"] is JsonValue value && value.TryGetValue(out int replicas) ? replicas : 1;

    private async Task<bool> IsAliveAsync(Hold other, HoldObserver observer, CancellationToken cancellation)
    {
        if (!other.IsStale(client.ServerTime))
            return true;
        if (other.StandIn is null)
            return await observer.LivesAsync(name, other, FindAsync, cancellation);
        HeldDeployment standIn = new(client, @namespace, other.StandIn);
        return await standIn.FindAsync(cancellation) is { } found && Hold.Of(found) is { } beat && beat.Session == other.Session
            && (!beat.IsStale(client.ServerTime) || await observer.LivesAsync(name, beat, standIn.FindAsync, cancellation));
    }

    // A creation that was on its way when its process was killed. Who holds the Deployment knows that no other session does.
    private async Task RemoveOtherStandInsAsync(string session, CancellationToken cancellation)
    {
        try
        {
            KubeList<JsonObject> found = await client.GetAsync(KubeRequest.ListDeployments(@namespace, $"{ProxyDeployment.ComponentLabel}={StandIn.Component}"), KubeJson.Default.KubeListJsonObject, cancellation);
            foreach (JsonObject item in found.Items ?? [])
            {
                if ((string?)item["metadata"]!["annotations"]?[StandIn.OriginalKey] == name && (string?)item["metadata"]!["labels"]?[ProxyDeployment.SessionLabel] is { } other && other != session)
                    await RemoveStandInAsync((string?)item["metadata"]!["name"], other, cancellation);
            }
        }
        catch (KubeException)
        {
            // No right to list, or no answer: such a stand-in is rare, and the pod of one that may will delete it.
        }
    }

    // Reads, asks what to write, writes; returns whether it did. With again, a change that asks for nothing is asked once more with what is
    // there then.
    private async Task<bool> WriteAsync(Func<JsonObject, Task<JsonObject?>> change, bool again, CancellationToken cancellation)
    {
        for (int attempt = 1; ; attempt++)
        {
            if (await FindAsync(cancellation) is not { } item)
                return false;
            JsonObject? patch = await change(item);
            if (patch is null)
            {
                if (!again || attempt >= Attempts)
                    return false;
                continue;
            }

            patch["metadata"]!["resourceVersion"] = (string?)item["metadata"]!["resourceVersion"];
            try
            {
                // Not to be cut off: it may be carried out all the same, and the undo waits for its end.
                await client.SendAsync(KubeRequest.PatchDeployment(@namespace, name), patch, KubeJson.Default.JsonObject, CancellationToken.None);
                return true;
            }
            catch (KubeException fault) when (fault.Status == 409 && attempt < Attempts)
            {
                // Somebody else wrote: a controller, an autoscaler, or another person who takes the hold.
            }
        }
    }

    // The Deployment controller copies annotations to the ReplicaSet and never takes them back; a later "kubectl rollout undo" would
    // bring them to the Deployment again. Who may not change ReplicaSets lives with that: such a hold is dead, and is treated so.
    private async Task TidyReplicaSetsAsync(JsonObject deployment, CancellationToken cancellation)
    {
        string? uid = (string?)deployment["metadata"]!["uid"];
        string selector = PodSelectorText.Of(deployment["spec"]!["selector"]!.AsObject());
        try
        {
            KubeList<JsonObject> sets = await client.GetAsync(KubeRequest.ListReplicaSets(@namespace, selector), KubeJson.Default.KubeListJsonObject, cancellation);
            foreach (JsonObject set in sets.Items ?? [])
            {
                if (!Hold.HasTraces(set) || set["metadata"]!["ownerReferences"] is not JsonArray owners || owners.All(owner => (string?)owner?["uid"] != uid))
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

    // The API server notes who wrote which field. Who stays the writer of the replicas is in the way of "kubectl apply --server-side" later.
    private async Task ForgetWriterAsync(CancellationToken cancellation)
    {
        try
        {
            if (await FindAsync(cancellation) is not { } item || item["metadata"]!["managedFields"] is not JsonArray fields)
                return;
            JsonNode?[] others = [.. fields.Where(static entry => (string?)entry?["manager"] != Writer).Select(static entry => entry?.DeepClone())];
            if (others.Length == 0 || others.Length == fields.Count)
                return;
            JsonObject patch = new() { ["metadata"] = new JsonObject { ["resourceVersion"] = (string?)item["metadata"]!["resourceVersion"], ["managedFields"] = new JsonArray(others) } };
            await client.SendAsync(KubeRequest.PatchDeployment(@namespace, name), patch, KubeJson.Default.JsonObject, cancellation);
        }
        catch (KubeException)
        {
            // Somebody wrote meanwhile, or there is no answer: a trifle.
        }
    }
}
