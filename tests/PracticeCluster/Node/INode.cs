// The seam between the practice cluster's control plane (API server, controllers) and its one node.
//
// Control plane                                   Node (this folder)
//   Up: UpAsync -> OpenApiSockets                   makes namespaces, bridge, DNS server, outside network
//   pod bound        -> StartPod                    processes, volumes, probes, restarts, back-off
//                    <- INodeListener.PodStatus     each time something changes, the whole truth of that pod
//                    <- INodeListener.PodEvent      Pulling, Pulled, Created, Started, BackOff, Unhealthy, Killing, ...
//   deletionTimestamp-> StopPodAsync(grace)         completes when nothing of the pod is left
//   Service/Endpoints-> ApplyServices               nftables NAT and DNS records, from the one snapshot
//   ConfigMap/Secret -> VolumeSourceChanged         projected files are refreshed
//   logs, exec, attach, port-forward                straight calls
//
// Topology: the process runs in whatever network namespace `up` was started in (the "laptop" side, or the host). It opens
// its laptop-side API listener there itself (--listen). The cluster lives in namespaces of its own; nothing but the API
// joins the two. For pods to reach `kubernetes.default.svc`, the node opens listening TCP sockets *inside* its own
// namespace (OpenApiSockets) on ApiEndpoints; a socket keeps the namespace it was made in, so Kestrel, in this same
// process, serves them without any veth on the host. The node's NAT sends the ClusterIP of `kubernetes` there, by the
// ordinary ServiceView whose endpoints are ApiEndpoints.
//
// Threads: the control plane calls from any thread, never twice at once for the same pod's Start/Stop. The listener may be
// called from any thread and returns at once. Kubernetes objects are JsonObject snapshots that nobody changes.
//
// The implementation is `sealed class NamespaceNode : INode` with the constructor (NodeOptions, IClusterLookup,
// INodeListener) and `static Task RemoveLeftoversAsync(string stateDirectory, CancellationToken)`, which cleans up what a
// killed process left (from what the node wrote in the state directory, and only that).

using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Telepresence.PracticeCluster.Node;

/// <summary>What the node is told when it is made.</summary>
/// <param name="InstanceId">Short ([a-z0-9]{1,6}); every namespace, link, table and cgroup name carries it.</param>
/// <param name="StateDirectory">Directory of this cluster; the node uses <c>node/</c> below it.</param>
/// <param name="NodeName">The name of the Node object.</param>
/// <param name="PodNetworks">IPv4 then IPv6, e.g. 10.244.0.0/16 and fd00:10:244::/64.</param>
/// <param name="ServiceNetworks">IPv4 then IPv6, e.g. 10.96.0.0/16 and fd00:10:96::/112.</param>
/// <param name="DnsServiceAddresses">Addresses of the Service kube-system/kube-dns; the pods' nameserver.</param>
/// <param name="ClusterDomain">Usually cluster.local.</param>
/// <param name="ApiPort">TCP port of the API server inside the node's namespace, usually 6443.</param>
public sealed record NodeOptions(
    string InstanceId,
    string StateDirectory,
    string NodeName,
    IReadOnlyList<IPNetwork> PodNetworks,
    IReadOnlyList<IPNetwork> ServiceNetworks,
    IReadOnlyList<IPAddress> DnsServiceAddresses,
    string ClusterDomain,
    int ApiPort);

/// <summary>What the node says of itself once it is up.</summary>
/// <param name="Addresses">The node's own addresses (hostIP), IPv4 then IPv6.</param>
/// <param name="ApiEndpoints">Where <see cref="INode.OpenApiSockets"/> listens: endpoints of the Service default/kubernetes.</param>
/// <param name="Notes">Free facts for people and tests (namespace names, outside addresses, database), shown by <c>ctl info</c>.</param>
public sealed record NodeInfo(
    IReadOnlyList<IPAddress> Addresses,
    IReadOnlyList<IPEndPoint> ApiEndpoints,
    IReadOnlyDictionary<string, string> Notes);

/// <summary>Names one pod; the uid tells a pod from its successor of the same name.</summary>
public readonly record struct PodKey(string Namespace, string Name, string Uid)
{
    public static PodKey Of(JsonObject pod) => new(
        (string?)pod["metadata"]?["namespace"] ?? "default",
        (string?)pod["metadata"]?["name"] ?? "",
        (string?)pod["metadata"]?["uid"] ?? "");

    public override string ToString() => $"{Namespace}/{Name}";
}

/// <summary>The node: pods as processes in namespaces, Services as NAT, a DNS server.</summary>
public interface INode : IAsyncDisposable
{
    /// <summary>Makes the namespaces, networks and DNS server. Called once. Throws with one clear sentence.</summary>
    Task<NodeInfo> UpAsync(CancellationToken cancel);

    /// <summary>
    /// New bound and listening sockets in the node's namespace, one per <see cref="NodeInfo.ApiEndpoints"/>. The caller owns
    /// them. Called again after the API server was "away", so the address must be free to be bound again (SO_REUSEADDR).
    /// </summary>
    IReadOnlyList<Socket> OpenApiSockets();

    /// <summary>Stops every pod at once and removes everything. Afterwards the host is as before.</summary>
    Task DownAsync();

    /// <summary>Begins to run a pod that was bound to this node. Returns at once; progress comes by the listener.</summary>
    void StartPod(JsonObject pod);

    /// <summary>
    /// preStop/SIGTERM, then SIGKILL after <paramref name="grace"/> (zero: SIGKILL now). Completes when no process, mount,
    /// namespace or file of the pod is left. A second call may only shorten the grace. Unknown pods: completes at once.
    /// </summary>
    Task StopPodAsync(PodKey pod, TimeSpan grace);

    /// <summary>The pod object changed (labels, annotations: downward API volumes follow). Spec changes beyond image: ignored.</summary>
    void PodChanged(JsonObject pod);

    /// <summary>A ConfigMap or Secret changed or appeared: waiting pods may start, mounted files are replaced atomically.</summary>
    /// <param name="resource">"configmaps" or "secrets".</param>
    void VolumeSourceChanged(string resource, string namespaceName, string name);

    /// <summary>SIGKILLs one container (or all, <paramref name="container"/> null) as a crash would; the restart policy follows.</summary>
    /// <returns>false when there is no such running container.</returns>
    bool KillContainer(PodKey pod, string? container);

    /// <summary>
    /// Writes the log of a container, interleaved stdout and stderr lines. Returns at the end, or with
    /// <see cref="LogOptions.Follow"/> when the container has ended.
    /// </summary>
    /// <exception cref="NodeException">No such container, or it has not run yet.</exception>
    Task StreamLogsAsync(PodKey pod, string container, LogOptions options, Stream output, CancellationToken cancel);

    /// <summary>Runs a command in the container's namespaces, environment, root and user.</summary>
    /// <returns>The exit code; 128+signal when killed.</returns>
    /// <exception cref="NodeException">Container not running, or the command cannot be started (message as runc words it).</exception>
    Task<int> ExecAsync(PodKey pod, string container, IReadOnlyList<string> command, ProcessStreams streams, CancellationToken cancel);

    /// <summary>Joins the container's own stdin (if spec.stdin), stdout and stderr until it ends or the caller leaves.</summary>
    Task<int> AttachAsync(PodKey pod, string container, ProcessStreams streams, CancellationToken cancel);

    /// <summary>
    /// Connects to 127.0.0.1:port, else [::1]:port, inside the pod's network namespace, as kubelet's port-forward does.
    /// </summary>
    /// <exception cref="SocketException">Refused and the like.</exception>
    /// <exception cref="NodeException">The pod is not running.</exception>
    Task<Socket> DialPodAsync(PodKey pod, int port, CancellationToken cancel);

    /// <summary>The complete set of Services and their endpoints as of now: replaces NAT rules and DNS records.</summary>
    void ApplyServices(IReadOnlyList<ServiceView> services);

    /// <summary>Loads an OCI image archive (tar of an image layout) into the node's image store.</summary>
    /// <param name="name">Reference to store it under; null takes the archive's org.opencontainers.image.ref.name.</param>
    /// <returns>The reference it was stored under.</returns>
    Task<string> ImportImageAsync(string archivePath, string? name, CancellationToken cancel);

    /// <summary>Verbs of the node's own for <c>ctl node VERB [ARG...]</c>; unknown verbs throw <see cref="NodeException"/>.</summary>
    Task<JsonNode?> ControlAsync(string verb, IReadOnlyList<string> arguments, CancellationToken cancel);
}

/// <summary>What the node may ask of the cluster: what a kubelet's own credentials let it read.</summary>
public interface IClusterLookup
{
    /// <summary>PEM of the cluster's CA, for ca.crt.</summary>
    string CaCertificatePem { get; }

    /// <summary>A snapshot, or null. <paramref name="resource"/> is the plural: configmaps, secrets, services, pods, namespaces.</summary>
    JsonObject? Get(string resource, string namespaceName, string name);

    /// <summary>All objects of that resource in the namespace (Service environment variables).</summary>
    IReadOnlyList<JsonObject> List(string resource, string namespaceName);

    /// <summary>A bound ServiceAccount token (JWT); the kubelet asks again at 80 % of its life.</summary>
    string RequestToken(PodKey pod, string serviceAccount, string? audience, TimeSpan lifetime);

    /// <summary>Practised misfortune for the pull of this image, or null.</summary>
    ImageFault? ImageFaultFor(string image);
}

/// <summary>A pull of the image takes <paramref name="Delay"/> longer, then fails with <paramref name="Failure"/> unless that is null.</summary>
public sealed record ImageFault(TimeSpan Delay, string? Failure);

/// <summary>Where the node reports to. Calls return at once.</summary>
public interface INodeListener
{
    /// <summary>The complete present state of a pod; replaces what was reported before.</summary>
    void PodStatus(PodKey pod, PodReport report);

    /// <summary>A Kubernetes event about the pod (or one container of it).</summary>
    /// <param name="type">Normal or Warning.</param>
    void PodEvent(PodKey pod, string? container, string type, string reason, string message);
}

/// <summary>The pod's status apart from its conditions, which the control plane derives.</summary>
/// <param name="Phase">Pending, Running, Succeeded or Failed.</param>
/// <param name="PodAddresses">IPv4 then IPv6; empty before the sandbox exists.</param>
public sealed record PodReport(
    string Phase,
    string? Reason,
    string? Message,
    IReadOnlyList<IPAddress> PodAddresses,
    DateTime? StartTime,
    IReadOnlyList<ContainerReport> InitContainers,
    IReadOnlyList<ContainerReport> Containers);

/// <summary>One container's status, in the order of the spec.</summary>
/// <param name="Ready">Passed its readiness probe (or has none) and runs; for init containers: completed.</param>
public sealed record ContainerReport(
    string Name,
    string Image,
    string ImageId,
    string ContainerId,
    bool Ready,
    bool Started,
    int RestartCount,
    ContainerState State,
    ContainerState? LastState);

public enum ContainerPhase
{
    Waiting,
    Running,
    Terminated,
}

/// <param name="Reason">ContainerCreating, ErrImagePull, ImagePullBackOff, CrashLoopBackOff, Completed, Error, ...</param>
public sealed record ContainerState(
    ContainerPhase Phase,
    string? Reason = null,
    string? Message = null,
    int ExitCode = 0,
    int Signal = 0,
    DateTime? StartedAt = null,
    DateTime? FinishedAt = null);

public sealed record LogOptions(
    bool Follow = false,
    bool Previous = false,
    bool Timestamps = false,
    long? TailLines = null,
    long? LimitBytes = null,
    DateTime? Since = null);

public readonly record struct TerminalSize(ushort Width, ushort Height);

/// <summary>
/// A process's ends. A null stream is /dev/null. The end of <paramref name="Stdin"/> (read returns 0) closes the process's
/// stdin. With a tty, stderr is null and <paramref name="Resize"/> carries window sizes. The node does not dispose them.
/// </summary>
public sealed record ProcessStreams(
    Stream? Stdin, Stream? Stdout, Stream? Stderr, bool Tty, ChannelReader<TerminalSize>? Resize);

/// <param name="Kind">ClusterIP, Headless or ExternalName.</param>
/// <param name="ClusterAddresses">One per family; empty for Headless and ExternalName.</param>
/// <param name="Endpoints">Ready and unready; NAT takes the ready ones, DNS too unless <paramref name="PublishNotReady"/>.</param>
/// <param name="Affinity">Session affinity ClientIP time-out, or null.</param>
public sealed record ServiceView(
    string Namespace,
    string Name,
    ServiceKind Kind,
    IReadOnlyList<IPAddress> ClusterAddresses,
    string? ExternalName,
    IReadOnlyList<ServicePortView> Ports,
    IReadOnlyList<EndpointView> Endpoints,
    bool PublishNotReady,
    TimeSpan? Affinity);

public enum ServiceKind
{
    ClusterIP,
    Headless,
    ExternalName,
}

/// <param name="Name">Empty when the only port has no name.</param>
/// <param name="Protocol">TCP, UDP or SCTP.</param>
public sealed record ServicePortView(string Name, string Protocol, int Port);

/// <param name="Hostname">DNS label below the Service's name (spec.hostname of a pod whose spec.subdomain is the Service), or null.</param>
/// <param name="Ports">Target port by Service port name.</param>
public sealed record EndpointView(
    IPAddress Address, bool Ready, string? Hostname, string? PodName, IReadOnlyDictionary<string, int> Ports);

/// <summary>A refusal that the caller passes on to the user: one sentence.</summary>
public sealed class NodeException(string message, Exception? inner = null) : Exception(message, inner);
