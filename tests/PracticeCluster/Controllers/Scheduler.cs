using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Admission;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Binds pods to the one node, if its labels and free resources allow.</summary>
internal sealed class Scheduler(Registry registry, EventRecorder events) : IController
{
    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (change.Type == ResourceTypes.Pods && change.Kind != ChangeKind.Deleted && change.Item.Str("spec", "nodeName") is null)
            yield return (change.Item.Namespace(), change.Item.Name());
        // Room on the node or a change of it: those that wait may fit now.
        var frees = change.Type == ResourceTypes.Nodes || (change.Type == ResourceTypes.Pods && (change.Kind == ChangeKind.Deleted || !PodFacts.IsActive(change.Item)));
        if (!frees) yield break;
        foreach (var pod in registry.Store.List(ResourceTypes.Pods).Where(p => p.Str("spec", "nodeName") is null))
            yield return (pod.Namespace(), pod.Name());
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        var pod = registry.Store.Get(ResourceTypes.Pods, namespaceName, name);
        if (pod is null || pod.IsDeleting() || pod.Str("spec", "nodeName") is not null || pod.Str("spec", "schedulerName") is not (null or "default-scheduler")) return null;
        var nodes = registry.Store.List(ResourceTypes.Nodes);
        var reasons = nodes.Select(n => (Node: n, Why: Unfit(n, pod))).ToList();
        var fit = reasons.FirstOrDefault(r => r.Why is null).Node;
        if (fit is null)
        {
            var why = $"0/{nodes.Count} nodes are available: {string.Join(", ", reasons.GroupBy(r => r.Why).Select(g => $"{g.Count()} {g.Key}"))}. "
                + $"preemption: 0/{nodes.Count} nodes are available: {nodes.Count} Preemption is not helpful for scheduling.";
            registry.UpdateStatus(ResourceTypes.Pods, namespaceName, name, p =>
            {
                PodFacts.SetCondition(p.Make("status"), "PodScheduled", false, "Unschedulable", why);
                return p;
            }, WriteContext.Internal);
            events.Record(pod, "default-scheduler", "Warning", "FailedScheduling", why);
            return TimeSpan.FromSeconds(30);
        }
        Bind(registry, pod, fit.Name());
        events.Record(pod, "default-scheduler", "Normal", "Scheduled", $"Successfully assigned {namespaceName}/{name} to {fit.Name()}");
        return null;
    }

    public static void Bind(Registry registry, JsonObject pod, string node) =>
        registry.Store.Replace(ResourceTypes.Pods, pod.Namespace(), pod.Name(), p =>
        {
            if (p.Uid() != pod.Uid() || p.IsDeleting()) return null;
            p.Make("spec")["nodeName"] = node;
            PodFacts.SetCondition(p.Make("status"), "PodScheduled", true, null, null);
            return p;
        });

    private string? Unfit(JsonObject node, JsonObject pod)
    {
        if (node.Flag("spec", "unschedulable") == true) return "node(s) were unschedulable";
        if (!LabelSelector.FromMap(pod.Map("spec", "nodeSelector")).Matches(node)) return "node(s) didn't match Pod's node affinity/selector";
        var others = registry.Store.List(ResourceTypes.Pods)
            .Where(p => p.Str("spec", "nodeName") == node.Name() && p.Str("status", "phase") is not ("Succeeded" or "Failed")).ToList();
        if (Quantity.TryParse(node.Str("status", "allocatable", "pods"), out var most) && Quantity.Of(others.Count + 1) > most) return "Too many pods";
        foreach (var resource in new[] { "cpu", "memory" })
        {
            if (!Quantity.TryParse(node.Str("status", "allocatable", resource), out var capacity)) continue;
            string? Request(JsonObject c) => c.Str("resources", "requests", resource);
            var used = others.Aggregate(Quantity.Zero, (sum, p) => sum + PodResources.Sum(p.Obj("spec"), Request));
            if (used + PodResources.Sum(pod.Obj("spec"), Request) > capacity) return $"Insufficient {resource}";
        }
        return null;
    }
}
