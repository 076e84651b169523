using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Api.Tables;

/// <summary>The columns of pods: the one status word that sums up phase, containers and deletion.</summary>
internal static class PodColumns
{
    public static IReadOnlyList<Column> All { get; } =
    [
        new("Name", p => p.Name()),
        new("Ready", p => $"{p.Each("status", "containerStatuses").Count(c => c.Flag("ready") == true && c["state"].At("running") is not null)}/{p.Arr("spec", "containers")?.Count ?? 0}"),
        new("Status", p => StatusWord(p)),
        new("Restarts", p => Restarts(p)),
        new("Age", p => HumanTime.Since(p.Time("metadata", "creationTimestamp"))),
        new("IP", p => p.Str("status", "podIP") ?? "<none>", Wide: true),
        new("Node", p => p.Str("spec", "nodeName") ?? "<none>", Wide: true),
        new("Nominated Node", _ => "<none>", Wide: true),
        new("Readiness Gates", _ => "<none>", Wide: true),
    ];

    internal static string StatusWord(JsonObject pod)
    {
        var word = pod.Str("status", "reason") ?? pod.Str("status", "phase") ?? "Unknown";
        var inits = pod.Each("status", "initContainerStatuses").ToList();
        var pending = inits.FindIndex(s => s.Num("state", "terminated", "exitCode") != 0);
        if (pending >= 0 && pod.Str("status", "phase") == "Pending")
        {
            var state = inits[pending]["state"];
            word = state.At("terminated") is not null ? $"Init:{Ended(state)}"
                : state.Str("waiting", "reason") is { } why and not "PodInitializing" and not "ContainerCreating" ? $"Init:{why}"
                : $"Init:{pending}/{inits.Count}";
        }
        else
        {
            var running = false;
            foreach (var state in pod.Each("status", "containerStatuses").Reverse().Select(s => s["state"]))
            {
                if (state.Str("waiting", "reason") is { } waiting) word = waiting;
                else if (state.At("terminated") is not null) word = Ended(state);
                else if (state.At("running") is not null) running = true;
            }
            if (word == "Completed" && running) word = pod.Each("status", "conditions").Any(c => c.Str("type") == "Ready" && c.Str("status") == "True") ? "Running" : "NotReady";
        }
        return pod.IsDeleting() ? "Terminating" : word;
    }

    private static string Ended(JsonNode? state) => state.Str("terminated", "reason")
        ?? (state.Num("terminated", "signal") is > 0 and var signal ? $"Signal:{signal}" : $"ExitCode:{state.Num("terminated", "exitCode")}");

    private static string Restarts(JsonObject pod)
    {
        var statuses = pod.Each("status", "containerStatuses").ToList();
        var count = statuses.Sum(s => s.Num("restartCount") ?? 0);
        var last = statuses.Select(s => s.Time("lastState", "terminated", "finishedAt")).Max();
        return count > 0 && last is not null ? $"{count} ({HumanTime.Since(last)} ago)" : $"{count}";
    }
}
