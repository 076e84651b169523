using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Keeps as many pods as spec.replicas says; deletes the least useful first.</summary>
internal sealed class ReplicaSetController(Registry registry, EventRecorder events) : IController
{
    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (change.Type == ResourceTypes.ReplicaSets) yield return (change.Item.Namespace(), change.Item.Name());
        else if (change.Type == ResourceTypes.Pods && PodFacts.ControllerOf(change.Item) is { } owner && owner.Str("kind") == "ReplicaSet")
            yield return (change.Item.Namespace(), owner.Str("name") ?? "");
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        var set = registry.Store.Get(ResourceTypes.ReplicaSets, namespaceName, name);
        if (set is null) return null;
        var pods = registry.Store.List(ResourceTypes.Pods, namespaceName)
            .Where(p => PodFacts.ControllerOf(p)?.Str("uid") == set.Uid() && PodFacts.IsActive(p)).ToList();
        string? failure = null;
        if (!set.IsDeleting())
        {
            var wanted = (int)(set.Num("spec", "replicas") ?? 1);
            for (var i = pods.Count; i < wanted && failure is null; i++) failure = CreatePod(set, pods);
            foreach (var pod in pods.OrderBy(Worth).ThenByDescending(p => p.Time("metadata", "creationTimestamp")).Take(pods.Count - wanted).ToList())
            {
                registry.Delete(ResourceTypes.Pods, namespaceName, pod.Name(), null, null, default, WriteContext.Internal);
                events.Record(set, "replicaset-controller", "Normal", "SuccessfulDelete", $"Deleted pod: {pod.Name()}");
                pods.Remove(pod);
            }
        }
        WriteStatus(set, pods, failure);
        if (failure is not null) throw new ApiException(403, "Forbidden", failure);
        var minimum = TimeSpan.FromSeconds(set.Num("spec", "minReadySeconds") ?? 0);
        return minimum > TimeSpan.Zero && pods.Any(p => PodFacts.IsReady(p) && !IsAvailable(set, p)) ? TimeSpan.FromSeconds(1) : null;
    }

    private string? CreatePod(JsonObject set, List<JsonObject> pods)
    {
        var template = set.Obj("spec", "template")!;
        var meta = new JsonObject
        {
            ["generateName"] = $"{set.Name()}-",
            ["ownerReferences"] = new JsonArray(PodFacts.OwnerReference(set)),
        };
        foreach (var field in (ReadOnlySpan<string>)["labels", "annotations"])
            if (template.At("metadata", field) is { } value) meta[field] = value.DeepClone();
        try
        {
            var pod = registry.Create(ResourceTypes.Pods, set.Namespace(),
                new JsonObject { ["metadata"] = meta, ["spec"] = template["spec"]?.DeepClone() }, WriteContext.Internal);
            pods.Add(pod);
            events.Record(set, "replicaset-controller", "Normal", "SuccessfulCreate", $"Created pod: {pod.Name()}");
            return null;
        }
        catch (ApiException e)
        {
            events.Record(set, "replicaset-controller", "Warning", "FailedCreate", $"Error creating: {e.Message}");
            return e.Message;
        }
    }

    private void WriteStatus(JsonObject set, List<JsonObject> pods, string? failure) =>
        registry.Store.Replace(ResourceTypes.ReplicaSets, set.Namespace(), set.Name(), item =>
        {
            var status = item.Make("status");
            var labels = LabelSelector.FromMap(item.Map("spec", "template", "metadata", "labels"));
            status["replicas"] = pods.Count;
            Count(status, "fullyLabeledReplicas", pods.Count(labels.Matches));
            Count(status, "readyReplicas", pods.Count(PodFacts.IsReady));
            Count(status, "availableReplicas", pods.Count(p => IsAvailable(set, p)));
            status["observedGeneration"] = set.Num("metadata", "generation") ?? 1;
            if (failure is null) PodFacts.DropCondition(status, "ReplicaFailure");
            // The message names a new pod each time: writing it each time would call for the next attempt at once.
            else if (status.Each("conditions").All(c => c.Str("type") != "ReplicaFailure")) PodFacts.SetCondition(status, "ReplicaFailure", true, "FailedCreate", failure);
            if (status["conditions"] is JsonArray { Count: 0 }) status.Remove("conditions");
            return item;
        });

    private static void Count(JsonObject status, string field, int value)
    {
        if (value == 0) status.Remove(field);
        else status[field] = value;
    }

    private static bool IsAvailable(JsonObject set, JsonObject pod)
    {
        if (!PodFacts.IsReady(pod)) return false;
        var minimum = set.Num("spec", "minReadySeconds") ?? 0;
        return minimum == 0 || PodFacts.ReadySince(pod)?.AddSeconds(minimum) <= DateTime.UtcNow;
    }

    private static int Worth(JsonObject pod) =>
        (pod.Str("spec", "nodeName") is null ? 0 : 4) + (pod.Str("status", "phase") == "Running" ? 2 : 0) + (PodFacts.IsReady(pod) ? 1 : 0);
}
