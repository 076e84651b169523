namespace Telepresence.PracticeCluster.Node;

/// <summary>Derives a pod's phase from its containers, as the kubelet's getPhase does.</summary>
internal static class PodPhase
{
    internal static string Of(string restartPolicy, IReadOnlyList<ContainerReport> init, IReadOnlyList<ContainerReport> containers)
    {
        if (init.Any(report => !report.Ready))
        {
            bool failed = restartPolicy == "Never" && init.Any(r => r.State is { Phase: ContainerPhase.Terminated, ExitCode: not 0 });
            // A sidecar that is not ready holds nothing up once the containers proper have begun.
            if (failed)
                return "Failed";
            if (containers.All(report => report is { State.Phase: ContainerPhase.Waiting, LastState: null }))
                return "Pending";
        }

        if (containers.Any(report => report is { State.Phase: ContainerPhase.Waiting, LastState: null }))
            return "Pending";
        if (containers.Any(report => report.State.Phase != ContainerPhase.Terminated))
            return "Running";
        if (restartPolicy == "Always")
            return "Running";
        if (containers.All(report => report.State.ExitCode == 0))
            return "Succeeded";
        return restartPolicy == "OnFailure" ? "Running" : "Failed";
    }
}
