using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Admission;

/// <summary>LimitRange of type Container: defaults, then minimum and maximum.</summary>
internal static class LimitRanges
{
    /// <exception cref="ApiException">403 when a container is outside the range.</exception>
    public static void Apply(ObjectStore store, JsonObject pod)
    {
        var limits = store.List(ResourceTypes.LimitRanges, pod.Namespace()).SelectMany(r => r.Each("spec", "limits"))
            .Where(l => l.Str("type") == "Container").ToList();
        foreach (var limit in limits)
        {
            foreach (var container in pod.Each("spec", "containers").Concat(pod.Each("spec", "initContainers")))
            {
                var resources = container.Make("resources");
                foreach (var (name, value) in limit.Map("default")) resources.Make("limits").Default(name, value);
                foreach (var (name, value) in limit.Map("defaultRequest")) resources.Make("requests").Default(name, value);
                foreach (var (name, value) in resources.Map("limits")) resources.Make("requests").Default(name, value);
            }
        }
        foreach (var limit in limits)
            foreach (var container in pod.Each("spec", "containers")) Check(pod, limit, container);
    }

    private static void Check(JsonObject pod, JsonObject limit, JsonObject container)
    {
        foreach (var (name, most) in limit.Map("max"))
        {
            var own = container.Str("resources", "limits", name);
            if (own is null) throw ApiException.Forbidden(ResourceTypes.Pods, pod.Name(), $"maximum {name} usage per Container is {most}.  No limit is specified");
            if (Quantity.TryParse(own, out var value) && Quantity.TryParse(most, out var top) && value > top)
                throw ApiException.Forbidden(ResourceTypes.Pods, pod.Name(), $"maximum {name} usage per Container is {most}, but limit is {own}");
        }
        foreach (var (name, least) in limit.Map("min"))
        {
            var own = container.Str("resources", "requests", name);
            if (own is null) throw ApiException.Forbidden(ResourceTypes.Pods, pod.Name(), $"minimum {name} usage per Container is {least}.  No request is specified");
            if (Quantity.TryParse(own, out var value) && Quantity.TryParse(least, out var bottom) && value < bottom)
                throw ApiException.Forbidden(ResourceTypes.Pods, pod.Name(), $"minimum {name} usage per Container is {least}, but request is {own}");
        }
    }
}
