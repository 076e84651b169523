using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>
/// Deployment to ReplicaSets: one set per pod template. A rolling update grows the new set within maxSurge and shrinks the
/// old ones within maxUnavailable, each time one of them has changed.
/// </summary>
internal sealed class DeploymentController(Registry registry, EventRecorder events) : IController
{
    private const string RevisionKey = "deployment.kubernetes.io/revision";

    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (change.Type == ResourceTypes.Deployments) yield return (change.Item.Namespace(), change.Item.Name());
        else if (change.Type == ResourceTypes.ReplicaSets && PodFacts.ControllerOf(change.Item) is { } owner)
            yield return (change.Item.Namespace(), owner.Str("name") ?? "");
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        var deployment = registry.Store.Get(ResourceTypes.Deployments, namespaceName, name);
        if (deployment is null || deployment.IsDeleting()) return null;
        var sets = OwnSets(deployment);
        var current = sets.FirstOrDefault(s => SameTemplate(deployment, s));
        var paused = deployment.Flag("spec", "paused") == true;
        if (current is null && !paused)
        {
            current = CreateSet(deployment, sets);
            sets = OwnSets(deployment);
        }
        else if (current is not null) current = KeepRevision(deployment, current, sets);
        if (current is not null && !paused)
        {
            var old = sets.Where(s => s.Uid() != current.Uid()).ToList();
            if (deployment.Str("spec", "strategy", "type") == "Recreate") Recreate(deployment, current, old);
            else Roll(deployment, current, old);
            CleanUp(deployment, old);
        }
        return WriteStatus(deployment, current?.Uid());
    }

    private List<JsonObject> OwnSets(JsonObject deployment) =>
    [
        .. registry.Store.List(ResourceTypes.ReplicaSets, deployment.Namespace())
            .Where(s => PodFacts.ControllerOf(s)?.Str("uid") == deployment.Uid() && !s.IsDeleting()),
    ];

    private static bool SameTemplate(JsonObject deployment, JsonObject set)
    {
        var template = set.Obj("spec", "template")!.Copy();
        template.Obj("metadata", "labels")?.Remove("pod-template-hash");
        return Json.Same(template, deployment.Obj("spec", "template"));
    }

    private JsonObject CreateSet(JsonObject deployment, List<JsonObject> sets)
    {
        var template = deployment.Obj("spec", "template")!.Copy();
        var hash = RandomName.OfHash(SHA256.HashData(Json.Bytes(template)));
        template.Make("metadata").Make("labels")["pod-template-hash"] = hash;
        var selector = deployment.Obj("spec", "selector")!.Copy();
        selector.Make("matchLabels")["pod-template-hash"] = hash;
        var annotations = new JsonObject();
        CopyAnnotations(deployment, annotations);
        annotations[RevisionKey] = (sets.Select(Revision).DefaultIfEmpty(0).Max() + 1).ToString(CultureInfo.InvariantCulture);
        Annotate(annotations, deployment);
        var spec = new JsonObject { ["replicas"] = 0, ["selector"] = selector, ["template"] = template };
        if (deployment.At("spec", "minReadySeconds") is { } minimum) spec["minReadySeconds"] = minimum.DeepClone();
        var set = registry.Create(ResourceTypes.ReplicaSets, deployment.Namespace(), new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = $"{deployment.Name()}-{hash}",
                ["labels"] = template.At("metadata", "labels")?.DeepClone(),
                ["annotations"] = annotations,
                ["ownerReferences"] = new JsonArray(PodFacts.OwnerReference(deployment)),
            },
            ["spec"] = spec,
        }, WriteContext.Internal);
        SetRevision(deployment, annotations.Str(RevisionKey)!);
        return set;
    }

    /// <summary>A set that becomes current again (rollback) takes the next revision.</summary>
    private JsonObject KeepRevision(JsonObject deployment, JsonObject current, List<JsonObject> sets)
    {
        var top = sets.Where(s => s.Uid() != current.Uid()).Select(Revision).DefaultIfEmpty(0).Max();
        var revision = Math.Max(Revision(current), top + 1).ToString(CultureInfo.InvariantCulture);
        current = registry.Store.Replace(ResourceTypes.ReplicaSets, current.Namespace(), current.Name(), s =>
        {
            s.Meta().Make("annotations")[RevisionKey] = revision;
            CopyAnnotations(deployment, s.Meta().Make("annotations"));
            Annotate(s.Meta().Make("annotations"), deployment);
            return s;
        });
        SetRevision(deployment, revision);
        return current;
    }

    /// <summary>What the Deployment says is said by its current set too; what it says no more stays there, for a rollback.</summary>
    private static void CopyAnnotations(JsonObject deployment, JsonObject annotations)
    {
        foreach (var (key, value) in deployment.Map("metadata", "annotations"))
            if (key is not "kubectl.kubernetes.io/last-applied-configuration" && !key.StartsWith("deployment.kubernetes.io/", StringComparison.Ordinal)) annotations[key] = value;
    }

    private static void Annotate(JsonObject annotations, JsonObject deployment)
    {
        var replicas = deployment.Num("spec", "replicas") ?? 1;
        annotations["deployment.kubernetes.io/desired-replicas"] = replicas.ToString(CultureInfo.InvariantCulture);
        annotations["deployment.kubernetes.io/max-replicas"] = (replicas + Surge(deployment)).ToString(CultureInfo.InvariantCulture);
    }

    private void SetRevision(JsonObject deployment, string revision) =>
        registry.Store.Replace(ResourceTypes.Deployments, deployment.Namespace(), deployment.Name(), d =>
        {
            d.Meta().Make("annotations")[RevisionKey] = revision;
            return d;
        });

    private void Recreate(JsonObject deployment, JsonObject current, List<JsonObject> old)
    {
        foreach (var set in old) Scale(deployment, set, 0);
        // The new set starts when the last old pod has gone, also those that are only still ending.
        var uids = old.Select(s => s.Uid()).ToHashSet(StringComparer.Ordinal);
        var lingering = registry.Store.List(ResourceTypes.Pods, deployment.Namespace())
            .Any(p => uids.Contains(PodFacts.ControllerOf(p)?.Str("uid") ?? "") && p.Str("status", "phase") is not ("Succeeded" or "Failed"));
        if (!lingering) Scale(deployment, current, Replicas(deployment));
    }

    private void Roll(JsonObject deployment, JsonObject current, List<JsonObject> old)
    {
        var wanted = Replicas(deployment);
        var total = Replicas(current) + old.Sum(Replicas);
        var room = wanted + Surge(deployment) - total;
        if (Replicas(current) > wanted) Scale(deployment, current, wanted);
        else if (Replicas(current) < wanted) Scale(deployment, current, Math.Min(wanted, Replicas(current) + Math.Max(0, old.Sum(Replicas) == 0 ? wanted : room)));

        current = registry.Store.Get(ResourceTypes.ReplicaSets, current.Namespace(), current.Name()) ?? current;
        var available = Available(current) + old.Sum(Available);
        var minimum = wanted - Unavailable(deployment);
        // Pods that are not available anyway may always go; of the others, as many as the minimum leaves.
        foreach (var set in old.Where(s => Replicas(s) > 0).OrderBy(s => s.Time("metadata", "creationTimestamp")))
        {
            var broken = Math.Max(0, Replicas(set) - Available(set));
            var healthy = Math.Clamp(available - minimum, 0, Available(set));
            if (broken + healthy == 0) continue;
            Scale(deployment, set, Replicas(set) - broken - healthy);
            available -= healthy;
        }
    }

    private void Scale(JsonObject deployment, JsonObject set, int replicas)
    {
        var before = Replicas(set);
        if (before == replicas) return;
        registry.Update(ResourceTypes.ReplicaSets, set.Namespace(), set.Name(), s =>
        {
            s.Make("spec")["replicas"] = replicas;
            s.Meta().Remove("resourceVersion");
            return s;
        }, WriteContext.Internal);
        events.Record(deployment, "deployment-controller", "Normal", "ScalingReplicaSet",
            $"Scaled {(replicas > before ? "up" : "down")} replica set {set.Name()} from {before} to {replicas}");
    }

    private void CleanUp(JsonObject deployment, List<JsonObject> old)
    {
        var limit = (int)(deployment.Num("spec", "revisionHistoryLimit") ?? 10);
        var idle = old.Where(s => Replicas(s) == 0 && (s.Num("status", "replicas") ?? 0) == 0).OrderByDescending(Revision).Skip(limit);
        foreach (var set in idle.ToList())
            registry.Delete(ResourceTypes.ReplicaSets, set.Namespace(), set.Name(), null, null, default, WriteContext.Internal);
    }

    private TimeSpan? WriteStatus(JsonObject deployment, string? currentUid)
    {
        TimeSpan? again = null;
        var sets = OwnSets(deployment);
        var current = sets.FirstOrDefault(s => s.Uid() == currentUid);
        registry.Store.Replace(ResourceTypes.Deployments, deployment.Namespace(), deployment.Name(), item =>
        {
            var status = item.Make("status");
            var before = status.Copy();
            var (replicas, updated) = (sets.Sum(s => (int)(s.Num("status", "replicas") ?? 0)), (int)(current.Num("status", "replicas") ?? 0));
            var (ready, available) = (sets.Sum(s => (int)(s.Num("status", "readyReplicas") ?? 0)), sets.Sum(Available));
            var wanted = Replicas(item);
            status["observedGeneration"] = deployment.Num("metadata", "generation") ?? 1;
            Count(status, "replicas", replicas);
            Count(status, "updatedReplicas", updated);
            Count(status, "readyReplicas", ready);
            Count(status, "availableReplicas", available);
            Count(status, "unavailableReplicas", Math.Max(0, wanted - available));
            var enough = available >= wanted - Unavailable(item);
            PodFacts.SetCondition(status, "Available", enough, enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", updateTime: true);
            var failure = current.Each("status", "conditions").FirstOrDefault(c => c.Str("type") == "ReplicaFailure");
            if (failure is null) PodFacts.DropCondition(status, "ReplicaFailure");
            else PodFacts.SetCondition(status, "ReplicaFailure", true, failure.Str("reason"), failure.Str("message"), updateTime: true);
            if (current is not null) again = Progress(item, status, before, current, replicas, updated, available, wanted);
            return item;
        });
        return again;
    }

    private static TimeSpan? Progress(JsonObject item, JsonObject status, JsonObject before, JsonObject current, int replicas, int updated, int available, int wanted)
    {
        if (updated == wanted && replicas == wanted && available >= wanted)
        {
            PodFacts.SetCondition(status, "Progressing", true, "NewReplicaSetAvailable", $"ReplicaSet \"{current.Name()}\" has successfully progressed.", updateTime: true);
            return null;
        }
        var condition = status.Each("conditions").FirstOrDefault(c => c.Str("type") == "Progressing");
        var counts = (ReadOnlySpan<string>)["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
        var moved = condition is null || condition.Str("reason") == "NewReplicaSetAvailable";
        foreach (var count in counts) moved |= !Json.Same(status[count], before[count]);
        if (moved)
        {
            PodFacts.DropCondition(status, "Progressing");
            PodFacts.SetCondition(status, "Progressing", true, "ReplicaSetUpdated", $"ReplicaSet \"{current.Name()}\" is progressing.", updateTime: true);
            condition = status.Each("conditions").First(c => c.Str("type") == "Progressing");
        }
        var deadline = condition.Time("lastUpdateTime")?.AddSeconds(item.Num("spec", "progressDeadlineSeconds") ?? 600);
        if (deadline is { } d && d > DateTime.UtcNow) return d - DateTime.UtcNow;
        PodFacts.SetCondition(status, "Progressing", false, "ProgressDeadlineExceeded", $"ReplicaSet \"{current.Name()}\" has timed out progressing.", updateTime: true);
        return null;
    }

    private static void Count(JsonObject status, string field, int value)
    {
        if (value == 0) status.Remove(field);
        else status[field] = value;
    }

    private static int Replicas(JsonObject item) => (int)(item.Num("spec", "replicas") ?? 0);

    private static int Available(JsonObject set) => (int)(set.Num("status", "availableReplicas") ?? 0);

    private static long Revision(JsonObject set) =>
        long.TryParse(set.Str("metadata", "annotations", RevisionKey), NumberStyles.None, CultureInfo.InvariantCulture, out var r) ? r : 0;

    private static int Surge(JsonObject deployment) => deployment.Str("spec", "strategy", "type") == "Recreate" ? 0
        : IntOrPercent(deployment.At("spec", "strategy", "rollingUpdate", "maxSurge"), Replicas(deployment), roundUp: true);

    private static int Unavailable(JsonObject deployment)
    {
        if (deployment.Str("spec", "strategy", "type") == "Recreate") return 0;
        var value = IntOrPercent(deployment.At("spec", "strategy", "rollingUpdate", "maxUnavailable"), Replicas(deployment), roundUp: false);
        // Both zero could never move.
        return value == 0 && Surge(deployment) == 0 ? 1 : Math.Min(value, Replicas(deployment));
    }

    internal static int IntOrPercent(JsonNode? value, int of, bool roundUp)
    {
        var text = Json.Scalar(value) ?? "0";
        if (!text.EndsWith('%')) return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0;
        if (!int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var percent)) return 0;
        return roundUp ? (percent * of + 99) / 100 : percent * of / 100;
    }
}
