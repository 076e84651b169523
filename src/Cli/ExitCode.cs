namespace Telepresence.Cli;

/// <summary>
/// What the process ends with. Each ten is one place where the cause lies; the table in README.md lists the same numbers.
/// </summary>
internal static class ExitCode
{
    /// <summary>Done, or nothing to do.</summary>
    internal const int Success = 0;

    /// <summary>The connection was lost, in the words of Telepresence 0.27.</summary>
    internal const int LostConnection = 3;

    /// <summary>The command line is wrong.</summary>
    internal const int BadArguments = 2;

    /// <summary>20–29 configuration: the kubeconfig is missing, unreadable or incomplete.</summary>
    internal const int Kubeconfig = 20;

    /// <summary>kubectl is not installed, or not in the user's PATH.</summary>
    internal const int KubectlMissing = 21;

    /// <summary>The kubeconfig has no such context.</summary>
    internal const int ContextUnknown = 22;

    /// <summary>Connected already, to another target.</summary>
    internal const int TargetChanged = 23;

    /// <summary>The kubeconfig's credential plugin failed.</summary>
    internal const int CredentialPlugin = 24;

    /// <summary>30–39 permission: connect needs root.</summary>
    internal const int NotRoot = 30;

    /// <summary>The cluster does not allow a verb (403).</summary>
    internal const int Forbidden = 31;

    /// <summary>The cluster does not know the user (401).</summary>
    internal const int Unauthorized = 32;

    /// <summary>40–49 cluster: the API server cannot be reached.</summary>
    internal const int ApiUnreachable = 40;

    /// <summary>The API server did not answer in time.</summary>
    internal const int ApiTimeout = 41;

    /// <summary>The API server answered with an error of its own, or with something that is not Kubernetes.</summary>
    internal const int ApiError = 42;

    /// <summary>50–59 resource: a quota leaves no room for the proxy pod.</summary>
    internal const int Quota = 50;

    /// <summary>An admission rule refuses the proxy pod.</summary>
    internal const int PodRefused = 51;

    /// <summary>The proxy image cannot be pulled.</summary>
    internal const int ImagePull = 52;

    /// <summary>No node takes the proxy pod.</summary>
    internal const int Unschedulable = 53;

    /// <summary>The namespace does not exist.</summary>
    internal const int NamespaceMissing = 54;

    /// <summary>There is no such Deployment.</summary>
    internal const int WorkloadMissing = 55;

    /// <summary>The Deployment has no such container, or none that runs the proxy.</summary>
    internal const int ContainerMissing = 56;

    /// <summary>Somebody else holds the Deployment.</summary>
    internal const int WorkloadHeld = 57;

    /// <summary>An object of that name exists and is not ours to replace.</summary>
    internal const int NotOurs = 58;

    /// <summary>60–69 local network: there is no /dev/net/tun.</summary>
    internal const int TunMissing = 60;

    /// <summary>The machine's network could not be changed.</summary>
    internal const int LocalNetwork = 61;

    /// <summary>A port is taken, here or in the pod.</summary>
    internal const int PortTaken = 62;

    /// <summary>The kernel, or a sandbox around this process, allows no namespace for a process tree.</summary>
    internal const int NoNamespace = 63;

    /// <summary>70–79 proxy pod: it ended.</summary>
    internal const int ProxyEnded = 70;

    /// <summary>The port-forward to it was refused.</summary>
    internal const int PortForward = 71;

    /// <summary>It is of another version.</summary>
    internal const int ProxyVersion = 72;

    /// <summary>It does not answer.</summary>
    internal const int ProxySilent = 73;

    /// <summary>A volume of the pod is empty, partial or cannot be had.</summary>
    internal const int Volumes = 74;

    /// <summary>80–89 daemon: it could not be started.</summary>
    internal const int DaemonStart = 80;

    /// <summary>It ended while it was needed.</summary>
    internal const int DaemonLost = 81;

    /// <summary>It is of another version.</summary>
    internal const int DaemonVersion = 82;

    /// <summary>There is no such session to join.</summary>
    internal const int NoSession = 83;

    /// <summary>The program that is to be run may not be executed, as shells have it.</summary>
    internal const int CommandNotExecutable = 126;

    /// <summary>The program for <c>connect -- CMD</c> could not be started, as shells have it.</summary>
    internal const int CommandNotFound = 127;

    /// <summary>A bug in this program.</summary>
    internal const int Internal = 90;

    /// <summary>Ended by Ctrl-C.</summary>
    internal const int Interrupted = 130;

    /// <summary>Ended by SIGTERM.</summary>
    internal const int Terminated = 143;
}
