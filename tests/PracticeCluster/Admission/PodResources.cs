using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Admission;

/// <summary>Sums over a pod's containers, and what follows from them.</summary>
internal static class PodResources
{
    /// <summary>The larger of all containers together and the greediest init container.</summary>
    public static Quantity Sum(JsonObject? spec, Func<JsonObject, string?> declared)
    {
        var total = Quantity.Zero;
        foreach (var container in spec.Each("containers"))
            if (Quantity.TryParse(declared(container), out var q)) total += q;
        foreach (var container in spec.Each("initContainers"))
            if (Quantity.TryParse(declared(container), out var q) && q > total) total = q;
        return total;
    }

    public static string QosClass(JsonObject? spec)
    {
        var containers = spec.Each("containers").Concat(spec.Each("initContainers")).ToList();
        if (containers.All(c => c.Map("resources", "requests").Count == 0 && c.Map("resources", "limits").Count == 0)) return "BestEffort";
        var guaranteed = containers.All(c => new[] { "cpu", "memory" }.All(r =>
            Quantity.TryParse(c.Str("resources", "limits", r), out var limit)
            && Quantity.TryParse(c.Str("resources", "requests", r), out var request) && limit == request));
        return guaranteed ? "Guaranteed" : "Burstable";
    }
}
