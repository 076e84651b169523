using System.Net;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>A node's report as a pod's status, with the conditions that follow from it.</summary>
internal static class PodStatusWriter
{
    public static void Write(JsonObject pod, PodReport report, IReadOnlyList<IPAddress> hostAddresses)
    {
        var status = pod.Make("status");
        status["phase"] = report.Phase;
        Put(status, "reason", report.Reason);
        Put(status, "message", report.Message);
        if (report.StartTime is { } start) status["startTime"] = Json.Stamp(start);
        if (hostAddresses.Count > 0)
        {
            status["hostIP"] = hostAddresses[0].ToString();
            status["hostIPs"] = Addresses(hostAddresses);
        }
        if (report.PodAddresses.Count > 0)
        {
            status["podIP"] = report.PodAddresses[0].ToString();
            status["podIPs"] = Addresses(report.PodAddresses);
        }
        if (report.InitContainers.Count > 0) status["initContainerStatuses"] = Json.ArrayOf(report.InitContainers.Select(Container));
        status["containerStatuses"] = Json.ArrayOf(report.Containers.Select(Container));
        Conditions(status, report);
    }

    private static void Conditions(JsonObject status, PodReport report)
    {
        PodFacts.SetCondition(status, "PodReadyToStartContainers", report.PodAddresses.Count > 0, null, null);
        var waiting = report.InitContainers.Where(c => !c.Ready).Select(c => c.Name).ToList();
        if (report.Phase == "Succeeded") PodFacts.SetCondition(status, "Initialized", true, "PodCompleted", null);
        else if (waiting.Count == 0) PodFacts.SetCondition(status, "Initialized", true, null, null);
        else PodFacts.SetCondition(status, "Initialized", false, "ContainersNotInitialized", $"containers with incomplete status: [{string.Join(' ', waiting)}]");

        var unready = report.Containers.Where(c => !c.Ready).Select(c => c.Name).ToList();
        foreach (var condition in (ReadOnlySpan<string>)["Ready", "ContainersReady"])
        {
            if (report.Phase is "Succeeded" or "Failed") PodFacts.SetCondition(status, condition, false, report.Phase == "Failed" ? "PodFailed" : "PodCompleted", null);
            else if (unready.Count > 0 || report.Phase != "Running")
                PodFacts.SetCondition(status, condition, false, "ContainersNotReady", $"containers with unready status: [{string.Join(' ', unready)}]");
            else PodFacts.SetCondition(status, condition, true, null, null);
        }
    }

    private static JsonObject Container(ContainerReport c)
    {
        var status = new JsonObject { ["name"] = c.Name, ["state"] = State(c.State, c.ContainerId), ["lastState"] = c.LastState is null ? new JsonObject() : State(c.LastState, c.ContainerId) };
        status["ready"] = c.Ready;
        status["restartCount"] = c.RestartCount;
        status["image"] = c.Image;
        status["imageID"] = c.ImageId;
        if (c.ContainerId.Length > 0) status["containerID"] = c.ContainerId;
        status["started"] = c.Started;
        return status;
    }

    private static JsonObject State(ContainerState state, string containerId)
    {
        var inner = new JsonObject();
        if (state.Phase == ContainerPhase.Terminated)
        {
            inner["exitCode"] = state.ExitCode;
            if (state.Signal != 0) inner["signal"] = state.Signal;
        }
        Put(inner, "reason", state.Reason);
        Put(inner, "message", state.Message);
        if (state.StartedAt is { } start && state.Phase != ContainerPhase.Waiting) inner["startedAt"] = Json.Stamp(start);
        if (state.Phase == ContainerPhase.Terminated)
        {
            inner["finishedAt"] = Json.Stamp(state.FinishedAt ?? DateTime.UtcNow);
            if (containerId.Length > 0) inner["containerID"] = containerId;
        }
        return new JsonObject { [state.Phase.ToString().ToLowerInvariant()] = inner };
    }

    private static JsonArray Addresses(IReadOnlyList<IPAddress> addresses) =>
        Json.ArrayOf(addresses.Select(a => new JsonObject { ["ip"] = a.ToString() }));

    private static void Put(JsonObject o, string field, string? value)
    {
        if (value is null) o.Remove(field);
        else o[field] = value;
    }
}
