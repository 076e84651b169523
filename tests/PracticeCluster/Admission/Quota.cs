using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Admission;

/// <summary>ResourceQuota: object counts, and the requests and limits of pods that have not ended.</summary>
internal static class Quota
{
    private static readonly HashSet<string> PlainCounts = new(StringComparer.Ordinal)
    { "pods", "services", "configmaps", "secrets", "resourcequotas" };

    /// <exception cref="ApiException">403 "exceeded quota" or "failed quota".</exception>
    public static void Check(ObjectStore store, ResourceType type, JsonObject item)
    {
        foreach (var quota in store.List(ResourceTypes.ResourceQuotas, item.Namespace()))
        {
            var hard = quota.Map("spec", "hard");
            var asked = hard.Keys.Where(r => Concerns(type, r)).ToDictionary(r => r, r => Use(type, item, r), StringComparer.Ordinal);
            if (asked.Count == 0) continue;
            foreach (var resource in asked.Keys.Where(IsCompute).Order(StringComparer.Ordinal))
            {
                var silent = item.Each("spec", "containers").Where(c => Declared(c, resource) is null).Select(c => c.Str("name") ?? "").ToList();
                if (silent.Count > 0)
                    throw ApiException.Forbidden(type, item.Name(), $"failed quota: {quota.Name()}: must specify {resource} for: {string.Join(',', silent)}");
            }
            var used = Used(store, item.Namespace(), asked.Keys);
            var over = asked.Where(a => Quantity.TryParse(hard[a.Key], out var limit) && used[a.Key] + a.Value > limit)
                .Select(a => a.Key).Order(StringComparer.Ordinal).ToList();
            if (over.Count == 0) continue;
            string List(Func<string, string> value) => string.Join(',', over.Select(r => $"{r}={value(r)}"));
            throw ApiException.Forbidden(type, item.Name(),
                $"exceeded quota: {quota.Name()}, requested: {List(r => asked[r].ToString())}, used: {List(r => used[r].ToString())}, limited: {List(r => hard[r])}");
        }
    }

    /// <summary>What the namespace uses of each named resource now.</summary>
    public static Dictionary<string, Quantity> Used(ObjectStore store, string namespaceName, IEnumerable<string> resources)
    {
        var used = new Dictionary<string, Quantity>(StringComparer.Ordinal);
        foreach (var resource in resources)
        {
            var total = Quantity.Zero;
            foreach (var type in ResourceTypes.All.Where(t => t.Namespaced && !t.Virtual && Concerns(t, resource)))
                foreach (var item in store.List(type, namespaceName)) total += Use(type, item, resource);
            used[resource] = total;
        }
        return used;
    }

    private static bool Concerns(ResourceType type, string resource) =>
        (type == ResourceTypes.Pods && (resource == "pods" || IsCompute(resource)))
        || (PlainCounts.Contains(resource) && resource == type.Plural)
        || resource == $"count/{type.QualifiedName}";

    private static bool IsCompute(string resource) => resource is "cpu" or "memory" or "ephemeral-storage"
        || resource.StartsWith("requests.", StringComparison.Ordinal) || resource.StartsWith("limits.", StringComparison.Ordinal);

    private static Quantity Use(ResourceType type, JsonObject item, string resource)
    {
        if (resource.StartsWith("count/", StringComparison.Ordinal)) return Quantity.Of(1);
        if (type == ResourceTypes.Pods && item.Str("status", "phase") is "Succeeded" or "Failed") return Quantity.Zero;
        return IsCompute(resource) ? PodResources.Sum(item.Obj("spec"), c => Declared(c, resource)) : Quantity.Of(1);
    }

    private static string? Declared(JsonObject container, string resource) =>
        resource.StartsWith("limits.", StringComparison.Ordinal) ? container.Str("resources", "limits", resource["limits.".Length..])
        : container.Str("resources", "requests", resource.StartsWith("requests.", StringComparison.Ordinal) ? resource["requests.".Length..] : resource);
}
