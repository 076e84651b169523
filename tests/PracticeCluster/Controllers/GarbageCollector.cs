using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Deletes what no living owner has any more, and lets go of owners that wait for their dependents (foreground).</summary>
internal sealed class GarbageCollector(Registry registry) : IController
{
    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (change.Type == ResourceTypes.Events) yield break;
        if (change.Kind == ChangeKind.Deleted || change.Item.IsDeleting() || change.Item.At("metadata", "ownerReferences") is not null)
            yield return (change.Item.Namespace(), "");
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        var living = new HashSet<string>(StringComparer.Ordinal);
        var owned = new List<(ResourceType Type, JsonObject Item)>();
        var waiting = new List<(ResourceType Type, JsonObject Item)>();
        foreach (var type in ResourceTypes.All.Where(t => !t.Virtual && t != ResourceTypes.Events))
        {
            foreach (var item in registry.Store.List(type, type.Namespaced ? namespaceName : ""))
            {
                // An owner in foreground deletion already counts as gone for its dependents.
                var foreground = item.IsDeleting() && item.Strings("metadata", "finalizers").Contains("foregroundDeletion");
                if (foreground) waiting.Add((type, item));
                else living.Add(item.Uid());
                if (item.At("metadata", "ownerReferences") is not null) owned.Add((type, item));
            }
        }
        foreach (var (type, item) in owned)
        {
            var owners = item.Each("metadata", "ownerReferences").Select(r => r.Str("uid") ?? "").ToList();
            if (owners.Count == 0 || owners.Any(living.Contains) || item.IsDeleting()) continue;
            var propagation = waiting.Any(w => owners.Contains(w.Item.Uid())) ? "Foreground" : null;
            registry.Delete(type, item.Namespace(), item.Name(), null, propagation, (item.Uid(), null), WriteContext.Internal);
        }
        foreach (var (type, item) in waiting)
        {
            if (registry.Dependents(item).Any(d => d.Item.Each("metadata", "ownerReferences").Any(r => r.Str("uid") == item.Uid() && r.Flag("blockOwnerDeletion") == true))) continue;
            registry.Update(type, item.Namespace(), item.Name(), o =>
            {
                o.Meta()["finalizers"] = Json.ArrayOf(o.Strings("metadata", "finalizers").Where(f => f != "foregroundDeletion"));
                o.Meta().Remove("resourceVersion");
                return o;
            }, WriteContext.Internal);
        }
        return null;
    }
}
