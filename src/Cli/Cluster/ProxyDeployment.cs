using System.Globalization;
using System.Security.Cryptography;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// The Deployment that the proxy pod of one session runs in, when it is made for that.
/// </summary>
/// <remarks>
/// It passes Pod Security <c>restricted</c>: not root, no capability, no privilege escalation, seccomp's default, a read-only root. Unless
/// it is to be like any pod, it has no service account token. Its environment holds the SHA-256 of the session key, never the key. There is no readiness probe: the
/// proxy listens on the pod's loopback, which the kubelet cannot reach, and the session's own handshake says more.
/// </remarks>
internal sealed record ProxyDeployment
{
    /// <summary>Port on the pod's loopback that the proxy listens on.</summary>
    internal const int Port = 7700;

    /// <summary>Name of the container.</summary>
    internal const string ContainerName = "telepresence-proxy";

    /// <summary>By this label the pods of a session are found.</summary>
    internal const string SessionLabel = "telepresence.io/session";

    /// <summary>What an object of ours is for: <c>proxy</c>, <c>stand-in</c>.</summary>
    internal const string ComponentLabel = "app.kubernetes.io/component";

    /// <summary>The label of a node that says what its processor is.</summary>
    internal const string ArchitectureLabel = "kubernetes.io/arch";

    /// <summary>The processor that the image is built for.</summary>
    internal const string Architecture = "amd64";

    private const long ProxyUser = 7777;

    /// <summary>How long a pod that we make is waited for: images are large and registries far.</summary>
    internal static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(5);

    /// <summary>Both are on Kubernetes' list of safe sysctls: ping without a capability, and listening on ports below 1024.</summary>
    internal static readonly Sysctl[] SafeSysctls =
    [
        new("net.ipv4.ping_group_range", "0 2147483647"),
        new("net.ipv4.ip_unprivileged_port_start", "0"),
    ];

    /// <summary>Name of the Deployment, unique to this connection.</summary>
    internal required string Name { get; init; }

    /// <summary>Namespace.</summary>
    internal required string Namespace { get; init; }

    /// <summary>Image reference.</summary>
    internal required string Image { get; init; }

    /// <summary>Lowercase hexadecimal SHA-256 of the session key.</summary>
    internal required string KeyHash { get; init; }

    /// <summary>Who connected, for the annotation: <c>jane@laptop</c>.</summary>
    internal required string Owner { get; init; }

    /// <summary>When.</summary>
    internal required DateTimeOffset Since { get; init; }

    /// <summary>Whether the pod asks for the safe sysctls; some clusters forbid all sysctls.</summary>
    internal bool WithSysctls { get; init; } = true;

    /// <summary>What the Deployment's session label says, when not the name.</summary>
    internal string? Session { get; init; }

    /// <summary>What the pods' session label says, when not the same: it tells one attempt's pods from another's.</summary>
    internal string? PodSession { get; init; }

    /// <summary>Labels of the user's own.</summary>
    internal IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether the pod gets what any pod of its namespace gets: the Service variables and a service account token.</summary>
    internal bool LikeAnyPod { get; init; }

    /// <summary>Service account, or null for the namespace's default one.</summary>
    internal string? ServiceAccount { get; init; }

    /// <summary>Ports that the container declares.</summary>
    internal IReadOnlyList<Workloads.ContainerPort> Ports { get; init; } = [];

    /// <summary>Label selector of its pods.</summary>
    internal string PodSelector => $"{SessionLabel}={PodSession ?? Session ?? Name}";

    /// <summary>A name that no other connection has.</summary>
    internal static string NewName() => $"telepresence-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(5))}";

    /// <summary>The image to run when none is given: <c>TELEPRESENCE_REGISTRY</c> and <c>TELEPRESENCE_VERSION</c> change its parts.</summary>
    internal static string DefaultImage(IReadOnlyDictionary<string, string> environment)
    {
        if (environment.TryGetValue("TELEPRESENCE_IMAGE", out string? image) && image.Length > 0)
            return image;
        string registry = environment.TryGetValue("TELEPRESENCE_REGISTRY", out string? given) && given.Length > 0 ? given.TrimEnd('/') : "telepresence";
        string version = environment.TryGetValue("TELEPRESENCE_VERSION", out string? set) && set.Length > 0 ? set : ProductVersion.Text;
        return $"{registry}/telepresence-k8s:{version}";
    }

    /// <summary>The hash of <paramref name="key"/> as the pod's environment holds it.</summary>
    internal static string HashOf(ReadOnlySpan<byte> key) => Convert.ToHexStringLower(SHA256.HashData(key));

    /// <summary>The object to create.</summary>
    internal Deployment ToObject()
    {
        Dictionary<string, string> labels = new()
        {
            ["app.kubernetes.io/name"] = "telepresence",
            [ComponentLabel] = "proxy",
            ["app.kubernetes.io/managed-by"] = "telepresence",
            ["app.kubernetes.io/version"] = ProductVersion.Text,
            [SessionLabel] = Session ?? Name,
        };
        foreach ((string key, string value) in Labels)
            labels[key] = value;
        Dictionary<string, string> podLabels = new(labels) { [SessionLabel] = PodSession ?? Session ?? Name };
        return new Deployment
        {
            Metadata = new ObjectMeta
            {
                Name = Name,
                Namespace = Namespace,
                Labels = labels,
                Annotations = new()
                {
                    ["telepresence.io/owner"] = Owner,
                    ["telepresence.io/connected-at"] = Since.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
                },
            },
            Spec = new DeploymentSpec
            {
                Replicas = 1,
                RevisionHistoryLimit = 0,
                Strategy = new DeploymentStrategy("Recreate"),
                Selector = new LabelSelector(new() { [SessionLabel] = podLabels[SessionLabel] }),
                Template = new PodTemplate(new ObjectMeta { Labels = podLabels }, PodSpec()),
            },
        };
    }

    private PodSpec PodSpec() => new()
    {
        AutomountServiceAccountToken = LikeAnyPod ? null : false,
        EnableServiceLinks = LikeAnyPod,
        ServiceAccountName = ServiceAccount,
        NodeSelector = new() { ["kubernetes.io/os"] = "linux", [ArchitectureLabel] = Architecture },
        TerminationGracePeriodSeconds = 2,
        SecurityContext = new PodSecurityContext
        {
            RunAsNonRoot = true,
            RunAsUser = ProxyUser,
            RunAsGroup = ProxyUser,
            SeccompProfile = new SeccompProfile("RuntimeDefault"),
            Sysctls = WithSysctls ? SafeSysctls : null,
        },
        Containers =
        [
            new Container
            {
                Name = ContainerName,
                Image = Image,
                ImagePullPolicy = "IfNotPresent",
                Env =
                [
                    new EnvironmentVariable("TELEPRESENCE_PORT", Port.ToString(CultureInfo.InvariantCulture)),
                    new EnvironmentVariable("TELEPRESENCE_KEY_HASH", KeyHash),
                ],
                Ports = Ports.Count == 0 ? null : [.. Ports.Select(static port => new DeclaredPort(port.Number) { Protocol = port.Protocol })],
                Resources = new ResourceRequirements(
                    Requests: new() { ["cpu"] = "25m", ["memory"] = "64Mi" },
                    Limits: new() { ["cpu"] = "1", ["memory"] = "256Mi" }),
                SecurityContext = new ContainerSecurityContext
                {
                    AllowPrivilegeEscalation = false,
                    ReadOnlyRootFilesystem = true,
                    Capabilities = new Capabilities(["ALL"]),
                },
            },
        ],
    };
}
