using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Admission;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Writes what a namespace uses into the status of its ResourceQuotas.</summary>
internal sealed class QuotaController(Registry registry) : IController
{
    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (!change.Type.Namespaced || change.Type == ResourceTypes.Events) yield break;
        foreach (var quota in registry.Store.List(ResourceTypes.ResourceQuotas, change.Item.Namespace()))
            yield return (quota.Namespace(), quota.Name());
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        var quota = registry.Store.Get(ResourceTypes.ResourceQuotas, namespaceName, name);
        if (quota is null) return null;
        var used = new JsonObject();
        foreach (var (resource, amount) in Quota.Used(registry.Store, namespaceName, quota.Map("spec", "hard").Keys)) used[resource] = amount.ToString();
        registry.Store.Replace(ResourceTypes.ResourceQuotas, namespaceName, name, item =>
        {
            item["status"] = new JsonObject { ["hard"] = item.At("spec", "hard")?.DeepClone(), ["used"] = used };
            return item;
        });
        return null;
    }
}
