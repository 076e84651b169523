using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Furnishes namespaces (ServiceAccount default, the CA as a ConfigMap) and empties those that are being deleted.</summary>
internal sealed class NamespaceController(Registry registry, string caCertificatePem) : IController
{
    public IEnumerable<(string, string)> KeysFor(Change change)
    {
        if (change.Type == ResourceTypes.Namespaces) yield return ("", change.Item.Name());
        else if (change.Kind == ChangeKind.Deleted && change.Type.Namespaced) yield return ("", change.Item.Namespace());
    }

    public TimeSpan? Reconcile(string namespaceName, string name)
    {
        var home = registry.Store.Get(ResourceTypes.Namespaces, "", name);
        if (home is null) return null;
        if (!home.IsDeleting())
        {
            Furnish(registry, name, caCertificatePem);
            return null;
        }
        var left = 0;
        foreach (var type in ResourceTypes.All.Where(t => t.Namespaced && !t.Virtual))
        {
            foreach (var item in registry.Store.List(type, name))
            {
                if (item.IsDeleting() || registry.Delete(type, name, item.Name(), null, null, default, WriteContext.Internal) is not null) left++;
            }
        }
        if (left > 0) return TimeSpan.FromMilliseconds(500);
        registry.Store.Remove(ResourceTypes.Namespaces, "", name);
        return null;
    }

    public static void Furnish(Registry registry, string name, string caCertificatePem)
    {
        if (registry.Store.Get(ResourceTypes.ServiceAccounts, name, "default") is null)
            registry.Create(ResourceTypes.ServiceAccounts, name, Named("default"), WriteContext.Internal);
        if (registry.Store.Get(ResourceTypes.ConfigMaps, name, "kube-root-ca.crt") is not null) return;
        var map = Named("kube-root-ca.crt");
        map["data"] = new JsonObject { ["ca.crt"] = caCertificatePem };
        registry.Create(ResourceTypes.ConfigMaps, name, map, WriteContext.Internal);
    }

    private static JsonObject Named(string name) => new() { ["metadata"] = new JsonObject { ["name"] = name } };
}
