using System.Globalization;

namespace Telepresence.Cli.Cluster;

/// <summary>How far the proxy pod's start is.</summary>
internal enum PodProgress
{
    /// <summary>Something is still to happen.</summary>
    Waiting,

    /// <summary>Something stands in the way that may go by itself: a quota, a full cluster, a registry.</summary>
    Blocked,

    /// <summary>The container runs.</summary>
    Running,

    /// <summary>It cannot start without somebody changing something.</summary>
    Failed,
}

/// <summary>
/// What a Deployment and its pod say about the start, as one line for a person. A pure function.
/// </summary>
/// <param name="Progress">How far it is.</param>
/// <param name="Text">What is waited for, or what went wrong; without a full stop.</param>
/// <param name="ExitCode">What to end with when it failed or stays blocked.</param>
/// <param name="Pod">The running pod.</param>
internal sealed record PodDiagnosis(PodProgress Progress, string Text, int ExitCode = Cli.ExitCode.Success, Pod? Pod = null)
{
    /// <summary>Whether the pod was refused for its sysctls, so that it is worth trying without.</summary>
    internal bool SysctlsForbidden { get; init; }

    /// <summary>Why the last attempt to pull the image failed; what follows only says that it is tried more seldom.</summary>
    internal string? PullFailure { get; init; }

    /// <summary>Whether the container has ended, so that its log says why.</summary>
    internal bool HasLog { get; init; }

    /// <summary>Looks at what the watches brought so far.</summary>
    /// <param name="deployment">The Deployment, or null when it was not seen yet.</param>
    /// <param name="pods">Its pods, in any order.</param>
    internal static PodDiagnosis Examine(Deployment? deployment, IEnumerable<Pod> pods)
    {
        Pod? pod = pods.Where(static pod => pod.Metadata.DeletionTimestamp is null).OrderByDescending(static pod => pod.Status?.Phase == "Running").ThenBy(static pod => pod.Status?.Phase == "Failed").FirstOrDefault();
        return pod is null ? WithoutPod(deployment) : OfPod(pod);
    }

    private static PodDiagnosis WithoutPod(Deployment? deployment)
    {
        Condition? failure = deployment?.Status?.Conditions?.FirstOrDefault(static condition => condition is { Type: "ReplicaFailure", Status: "True" });
        if (failure is null)
            return new PodDiagnosis(PodProgress.Waiting, "Waiting for the cluster to make the proxy pod");
        string said = (failure.Message ?? failure.Reason ?? "no reason given").TrimEnd('.');
        if (said.Contains("exceeded quota", StringComparison.Ordinal) || said.Contains("failed quota", StringComparison.Ordinal))
            return new PodDiagnosis(PodProgress.Blocked, $"Waiting for quota: {said}", Cli.ExitCode.Quota);
        return new PodDiagnosis(PodProgress.Failed, $"The cluster refuses the proxy pod: {said}", Cli.ExitCode.PodRefused)
        {
            SysctlsForbidden = said.Contains("sysctl", StringComparison.OrdinalIgnoreCase),
        };
    }

    private static PodDiagnosis OfPod(Pod pod)
    {
        string name = pod.Metadata.Name ?? "";
        PodStatus status = pod.Status ?? new PodStatus();
        ContainerStatus? container = status.ContainerStatuses?.FirstOrDefault(static status => status.Name == ProxyDeployment.ContainerName);
        if (status.Phase == "Failed")
        {
            bool sysctls = status.Reason is "SysctlForbidden" or "Forbidden" || (status.Message ?? "").Contains("sysctl", StringComparison.OrdinalIgnoreCase);
            return new PodDiagnosis(PodProgress.Failed, $"The node refuses the proxy pod {name}: {Join(status.Reason, status.Message)}", Cli.ExitCode.PodRefused)
            {
                SysctlsForbidden = sysctls,
                HasLog = container?.State?.Terminated is not null,
            };
        }

        if (container?.State?.Running is not null)
            return new PodDiagnosis(PodProgress.Running, $"The proxy pod {name} runs", Pod: pod);
        if (container?.State?.Waiting is { } waiting)
            return OfWaiting(name, container, waiting);
        if (container?.State?.Terminated is { } ended)
            return container.RestartCount > 0 ? Crashed(name, ended) : new PodDiagnosis(PodProgress.Waiting, $"Waiting for the proxy pod {name} to be restarted: it {Ending(ended)}");
        Condition? scheduled = status.Conditions?.FirstOrDefault(static condition => condition.Type == "PodScheduled");
        if (scheduled is { Status: "False" })
            return new PodDiagnosis(PodProgress.Blocked, $"Waiting for a node that takes the proxy pod {name}: {(scheduled.Message ?? scheduled.Reason ?? "no reason given").TrimEnd('.')}", Cli.ExitCode.Unschedulable);
        return new PodDiagnosis(PodProgress.Waiting, scheduled is { Status: "True" } ? $"Waiting for the proxy pod {name} to start (image pull)" : $"Waiting for the proxy pod {name} to be scheduled");
    }

    private static PodDiagnosis OfWaiting(string name, ContainerStatus container, ContainerWaiting waiting)
    {
        string message = (waiting.Message ?? "").TrimEnd('.');
        switch (waiting.Reason)
        {
            case "ErrImagePull":
                return new PodDiagnosis(PodProgress.Waiting, $"Pulling the proxy image failed, the node tries again: {message}") { PullFailure = message };
            case "ImagePullBackOff" or "InvalidImageName" or "ErrImageNeverPull" or "ErrInvalidImageName" or "ImageInspectError" or "RegistryUnavailable":
                return ImagePull(message.Length > 0 ? message : waiting.Reason!);
            case "CrashLoopBackOff":
                return Crashed(name, container.LastState?.Terminated);
            case "CreateContainerConfigError" or "CreateContainerError" or "RunContainerError" or "StartError":
                return new PodDiagnosis(PodProgress.Failed, $"The node cannot start the proxy pod {name}: {Join(waiting.Reason, message)}", Cli.ExitCode.PodRefused);
            default:
                return new PodDiagnosis(PodProgress.Waiting, $"Waiting for the proxy pod {name} to start (image pull)");
        }
    }

    /// <summary>The image cannot be pulled.</summary>
    internal static PodDiagnosis ImagePull(string cause) =>
        new(PodProgress.Failed, $"The proxy image cannot be pulled: {cause}; give one that the cluster can pull with --image or TELEPRESENCE_REGISTRY", Cli.ExitCode.ImagePull);

    private static PodDiagnosis Crashed(string name, ContainerTerminated? ended) =>
        new(PodProgress.Failed, $"The proxy pod {name} {(ended is null ? "ends again and again" : Ending(ended))}", Cli.ExitCode.ProxyEnded) { HasLog = true };

    private static string Ending(ContainerTerminated ended) => ended.Reason == "OOMKilled"
        ? "ran out of memory"
        : string.Create(CultureInfo.InvariantCulture, $"ended with exit code {ended.ExitCode}{(ended.Reason is null or "Error" or "Completed" ? "" : $" ({ended.Reason})")}");

    private static string Join(string? reason, string? message) =>
        string.Join(": ", new[] { reason, message }.Where(static part => !string.IsNullOrEmpty(part))).TrimEnd('.');
}
