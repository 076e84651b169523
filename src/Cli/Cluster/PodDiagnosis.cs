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
    /// <summary>Whether the pod was refused for its sysctls, or for the group that a stand-in adds, so that it is worth trying without.</summary>
    internal bool SysctlsForbidden { get; init; }

    /// <summary>Why the last attempt to pull the image failed; what follows only says that it is tried more seldom.</summary>
    internal string? PullFailure { get; init; }

    /// <summary>Whether more room (fewer other pods, another namespace) would help.</summary>
    internal bool WantsRoom { get; init; }

    /// <summary>The init container that this is about, with its pod; null when it is about the proxy's.</summary>
    internal string? Init { get; init; }

    /// <summary>The container that has ended, so that its log says why; null when none has.</summary>
    internal string? LogOf { get; init; }

    /// <summary>The pod whose events may say more than its status: it is on a node, and does not start.</summary>
    internal Pod? Silent { get; init; }

    /// <summary>Looks at what the watches brought so far.</summary>
    /// <param name="deployment">The Deployment, or null when it was not seen yet.</param>
    /// <param name="pods">Its pods, in any order.</param>
    /// <param name="container">The container that runs the proxy.</param>
    internal static PodDiagnosis Examine(Deployment? deployment, IEnumerable<Pod> pods, string container = ProxyDeployment.ContainerName)
    {
        Pod? pod = pods.Where(static pod => pod.Metadata.DeletionTimestamp is null).OrderByDescending(static pod => pod.Status?.Phase == "Running").ThenBy(static pod => pod.Status?.Phase == "Failed").FirstOrDefault();
        return pod is null ? WithoutPod(deployment) : OfPod(pod, container);
    }

    private static PodDiagnosis WithoutPod(Deployment? deployment)
    {
        Condition? failure = deployment?.Status?.Conditions?.FirstOrDefault(static condition => condition is { Type: "ReplicaFailure", Status: "True" });
        if (failure is null)
            return new PodDiagnosis(PodProgress.Waiting, "Waiting for the cluster to make the proxy pod");
        string said = (failure.Message ?? failure.Reason ?? "no reason given").TrimEnd('.');
        if (said.Contains("exceeded quota", StringComparison.Ordinal) || said.Contains("failed quota", StringComparison.Ordinal))
            return new PodDiagnosis(PodProgress.Blocked, $"Waiting for quota: {said}", Cli.ExitCode.Quota) { WantsRoom = true };
        return new PodDiagnosis(PodProgress.Failed, $"The cluster refuses the proxy pod: {said}", Cli.ExitCode.PodRefused)
        {
            SysctlsForbidden = NamesExtras(said),
        };
    }

    /// <summary>Whether a refusal is about what a pod of ours can do without: sysctls, and the group that a stand-in adds.</summary>
    internal static bool NamesExtras(string refusal) =>
        refusal.Contains("sysctl", StringComparison.OrdinalIgnoreCase) || refusal.Contains("fsGroup", StringComparison.Ordinal);

    private static PodDiagnosis OfPod(Pod pod, string wanted)
    {
        string name = pod.Metadata.Name ?? "";
        PodStatus status = pod.Status ?? new PodStatus();
        ContainerStatus? container = status.ContainerStatuses?.FirstOrDefault(status => status.Name == wanted);
        if (status.Phase == "Failed")
        {
            bool sysctls = status.Reason is "SysctlForbidden" or "Forbidden" || (status.Message ?? "").Contains("sysctl", StringComparison.OrdinalIgnoreCase);
            return new PodDiagnosis(PodProgress.Failed, $"The node refuses the proxy pod {name}: {Join(status.Reason, status.Message)}", Cli.ExitCode.PodRefused)
            {
                SysctlsForbidden = sysctls,
                LogOf = container?.State?.Terminated is not null ? wanted : null,
            };
        }

        if (container?.State?.Running is not null)
            return new PodDiagnosis(PodProgress.Running, $"The proxy pod {name} runs", Pod: pod);
        if (status.InitContainerStatuses?.Select(init => OfInit(name, init)).FirstOrDefault(static found => found is not null) is { } held)
            return held;
        if (container?.State?.Waiting is { } waiting)
            return OfWaiting(pod, name, container, waiting);
        if (container?.State?.Terminated is { } ended)
            return container.RestartCount > 0 ? Crashed(name, wanted, ended) : new PodDiagnosis(PodProgress.Waiting, $"Waiting for the proxy pod {name} to be restarted: it {Ending(ended)}");
        Condition? scheduled = status.Conditions?.FirstOrDefault(static condition => condition.Type == "PodScheduled");
        if (scheduled is { Status: "False" })
            return new PodDiagnosis(PodProgress.Blocked, $"Waiting for a node that takes the proxy pod {name}: {(scheduled.Message ?? scheduled.Reason ?? "no reason given").TrimEnd('.')}", Cli.ExitCode.Unschedulable) { WantsRoom = true };
        return new PodDiagnosis(PodProgress.Waiting, scheduled is { Status: "True" } ? $"Waiting for the proxy pod {name} to start (image pull)" : $"Waiting for the proxy pod {name} to be scheduled");
    }

    // The proxy's container starts when the init containers have ended; only trouble with one of them is worth a word.
    private static PodDiagnosis? OfInit(string pod, ContainerStatus init)
    {
        string name = $"{pod}'s init container {init.Name}";
        if (init.State?.Terminated is { ExitCode: not 0 } ended && init.RestartCount > 0)
            return Crashed(name, init.Name!, ended);
        if (init.State?.Waiting is not { Reason: not (null or "PodInitializing" or "ContainerCreating") } waiting)
            return null;
        string message = (waiting.Message ?? "").TrimEnd('.');
        return waiting.Reason switch
        {
            "CrashLoopBackOff" => Crashed(name, init.Name!, init.LastState?.Terminated),
            "ErrImagePull" => new PodDiagnosis(PodProgress.Waiting, $"Pulling the image of the proxy pod {name} failed, the node tries again: {message}") { PullFailure = message },
            "ImagePullBackOff" or "InvalidImageName" or "ErrImageNeverPull" => ImagePull(message.Length > 0 ? message : waiting.Reason!, name),
            _ => new PodDiagnosis(PodProgress.Failed, $"The node cannot start the proxy pod {name}: {Join(waiting.Reason, message)}", Cli.ExitCode.PodRefused),
        };
    }

    private static PodDiagnosis OfWaiting(Pod pod, string name, ContainerStatus container, ContainerWaiting waiting)
    {
        string message = (waiting.Message ?? "").TrimEnd('.');
        switch (waiting.Reason)
        {
            case "ErrImagePull":
                return new PodDiagnosis(PodProgress.Waiting, $"Pulling the proxy image failed, the node tries again: {message}") { PullFailure = message };
            case "ImagePullBackOff" or "InvalidImageName" or "ErrImageNeverPull" or "ErrInvalidImageName" or "ImageInspectError" or "RegistryUnavailable":
                return ImagePull(message.Length > 0 ? message : waiting.Reason!);
            case "CrashLoopBackOff":
                return Crashed(name, container.Name!, container.LastState?.Terminated);
            case "CreateContainerConfigError" or "CreateContainerError" or "RunContainerError" or "StartError":
                return new PodDiagnosis(PodProgress.Failed, $"The node cannot start the proxy pod {name}: {Join(waiting.Reason, message)}", Cli.ExitCode.PodRefused);
            default:
                return new PodDiagnosis(PodProgress.Waiting, $"Waiting for the proxy pod {name} to start (image pull)") { Silent = pod };
        }
    }

    /// <summary>The image cannot be pulled.</summary>
    /// <param name="cause">Why.</param>
    /// <param name="init">The init container whose image it is, or null for the proxy's.</param>
    internal static PodDiagnosis ImagePull(string cause, string? init = null) => init is null
        ? new(PodProgress.Failed, $"The proxy image cannot be pulled: {cause}; give one that the cluster can pull with --image or TELEPRESENCE_REGISTRY", Cli.ExitCode.ImagePull)
        : new(PodProgress.Failed, $"The image of the proxy pod {init} cannot be pulled: {cause}", Cli.ExitCode.ImagePull) { Init = init };

    private static PodDiagnosis Crashed(string name, string container, ContainerTerminated? ended) =>
        new(PodProgress.Failed, $"The proxy pod {name} {(ended is null ? "ends again and again" : Ending(ended))}", Cli.ExitCode.ProxyEnded) { LogOf = container };

    private static string Ending(ContainerTerminated ended) => ended.Reason == "OOMKilled"
        ? "ran out of memory"
        : string.Create(CultureInfo.InvariantCulture, $"ended with exit code {ended.ExitCode}{(ended.Reason is null or "Error" or "Completed" ? "" : $" ({ended.Reason})")}");

    private static string Join(string? reason, string? message) =>
        string.Join(": ", new[] { reason, message }.Where(static part => !string.IsNullOrEmpty(part))).TrimEnd('.');
}
