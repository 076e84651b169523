using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>
/// The control plane's half of a kubelet: starts and stops pods on the node as the objects say, writes what the node
/// reports into pod statuses and events, and takes a pod out of the store when nothing of it runs any more.
/// </summary>
internal sealed class NodeAgent(Registry registry, EventRecorder events, string nodeName) : IController, INodeListener
{
    private readonly ConcurrentDictionary<PodKey, (JsonObject Pod, TimeSpan? StopGrace)> _running = new();
    private INode? _node;
    private IReadOnlyList<IPAddress> _hostAddresses = [];

    public void Attach(INode node, IReadOnlyList<IPAddress> hostAddresses)
    {
        _node = node;
        _hostAddresses = hostAddresses;
    }

    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (change.Type == ResourceTypes.Pods) yield return (change.Item.Namespace(), change.Item.Name());
        var source = change.Type == ResourceTypes.ConfigMaps || change.Type == ResourceTypes.Secrets;
        if (source && change.Kind != ChangeKind.Deleted) _node?.VolumeSourceChanged(change.Type.Plural, change.Item.Namespace(), change.Item.Name());
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        if (_node is null) return null;
        var pod = registry.Store.Get(ResourceTypes.Pods, namespaceName, name);
        // A pod that was removed with force, or replaced by another of its name.
        foreach (var (key, known) in _running.Where(r => r.Key.Namespace == namespaceName && r.Key.Name == name && r.Key.Uid != pod?.Uid()))
            Stop(key, known.Pod, TimeSpan.Zero);
        if (pod is null || pod.Str("spec", "nodeName") != nodeName) return null;

        var own = PodKey.Of(pod);
        if (pod.IsDeleting())
        {
            if (_running.TryGetValue(own, out var known)) Stop(own, known.Pod, TimeSpan.FromSeconds(pod.Num("metadata", "deletionGracePeriodSeconds") ?? 0));
            else registry.Store.Remove(ResourceTypes.Pods, namespaceName, name, own.Uid);
        }
        else if (!_running.TryGetValue(own, out var before))
        {
            if (pod.Str("status", "phase") is "Succeeded" or "Failed") return null;
            _running[own] = (pod, null);
            _node.StartPod(pod);
        }
        else
        {
            _running[own] = (pod, before.StopGrace);
            if (!Json.Same(before.Pod.At("metadata", "labels"), pod.At("metadata", "labels"))
                || !Json.Same(before.Pod.At("metadata", "annotations"), pod.At("metadata", "annotations"))
                || !Json.Same(before.Pod["spec"], pod["spec"])) _node.PodChanged(pod);
        }
        return null;
    }

    public void PodStatus(PodKey key, PodReport report)
    {
        try
        {
            registry.UpdateStatus(ResourceTypes.Pods, key.Namespace, key.Name, pod =>
            {
                if (pod.Uid() == key.Uid) PodStatusWriter.Write(pod, report, _hostAddresses);
                return pod;
            }, WriteContext.Internal);
        }
        catch (ApiException e) when (e.Code == 404)
        {
            // Deleted with force while it ended; nobody is left to be told.
        }
    }

    public void PodEvent(PodKey key, string? container, string type, string reason, string message)
    {
        var pod = registry.Store.Get(ResourceTypes.Pods, key.Namespace, key.Name);
        if (pod is null || pod.Uid() != key.Uid) return;
        var field = container is null ? null
            : pod.Each("spec", "initContainers").Any(c => c.Str("name") == container) ? $"spec.initContainers{{{container}}}" : $"spec.containers{{{container}}}";
        events.Record(pod, "kubelet", type, reason, message, field, nodeName);
    }

    private void Stop(PodKey key, JsonObject pod, TimeSpan grace)
    {
        var (_, asked) = _running.GetValueOrDefault(key);
        if (asked is { } already && already <= grace) return;
        _running[key] = (pod, grace);
        _ = StopAsync(key, grace, first: asked is null);
    }

    private async Task StopAsync(PodKey key, TimeSpan grace, bool first)
    {
        await _node!.StopPodAsync(key, grace).ConfigureAwait(false);
        if (!first) return;
        _running.TryRemove(key, out _);
        registry.Store.Remove(ResourceTypes.Pods, key.Namespace, key.Name, key.Uid);
    }
}
