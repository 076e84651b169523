using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Telepresence.Cli.Cluster;

// The parts of Kubernetes' objects that this program reads or writes. Names are the API's own, in camel case on the wire; see
// https://kubernetes.io/docs/reference/generated/kubernetes-api/. What is not here is not looked at.

internal sealed record KubeList<T>(ObjectMeta? Metadata, IReadOnlyList<T>? Items);

internal sealed record WatchEvent<T>(string Type, T Object);

internal sealed record ObjectMeta
{
    public string? Name { get; init; }

    public string? Namespace { get; init; }

    public string? Uid { get; init; }

    public string? ResourceVersion { get; init; }

    public DateTimeOffset? DeletionTimestamp { get; init; }

    public Dictionary<string, string>? Labels { get; init; }

    public Dictionary<string, string>? Annotations { get; init; }
}

internal sealed record KubeStatus
{
    public string? Status { get; init; }

    public string? Message { get; init; }

    public string? Reason { get; init; }

    public int? Code { get; init; }

    public KubeStatusDetails? Details { get; init; }
}

internal sealed record KubeStatusDetails(string? Name, string? Group, string? Kind);

// With a body the query of a deletion is not looked at.
internal sealed record DeleteOptions(Preconditions Preconditions)
{
    public string ApiVersion { get; init; } = "v1";

    public string Kind { get; init; } = "DeleteOptions";

    public string PropagationPolicy { get; init; } = "Background";
}

internal sealed record Preconditions(string Uid);

internal sealed record Deployment
{
    public string ApiVersion { get; init; } = "apps/v1";

    public string Kind { get; init; } = "Deployment";

    public required ObjectMeta Metadata { get; init; }

    public DeploymentSpec? Spec { get; init; }

    public DeploymentStatus? Status { get; init; }
}

internal sealed record DeploymentSpec
{
    public int Replicas { get; init; } = 1;

    public int? RevisionHistoryLimit { get; init; }

    public DeploymentStrategy? Strategy { get; init; }

    public required LabelSelector Selector { get; init; }

    public required PodTemplate Template { get; init; }
}

internal sealed record DeploymentStrategy(string Type);

internal sealed record LabelSelector(Dictionary<string, string> MatchLabels);

internal sealed record PodTemplate(ObjectMeta Metadata, PodSpec Spec);

internal sealed record DeploymentStatus(IReadOnlyList<Condition>? Conditions);

internal sealed record Condition(string? Type, string? Status, string? Reason, string? Message);

internal sealed record Pod
{
    public required ObjectMeta Metadata { get; init; }

    public PodSpec? Spec { get; init; }

    public PodStatus? Status { get; init; }
}

internal sealed record PodSpec
{
    public bool? AutomountServiceAccountToken { get; init; }

    public bool? EnableServiceLinks { get; init; }

    public string? NodeName { get; init; }

    public Dictionary<string, string>? NodeSelector { get; init; }

    public int? TerminationGracePeriodSeconds { get; init; }

    public string? ServiceAccountName { get; init; }

    public PodSecurityContext? SecurityContext { get; init; }

    public IReadOnlyList<Container>? Containers { get; init; }
}

internal sealed record PodSecurityContext
{
    public bool? RunAsNonRoot { get; init; }

    public long? RunAsUser { get; init; }

    public long? RunAsGroup { get; init; }

    public SeccompProfile? SeccompProfile { get; init; }

    public IReadOnlyList<Sysctl>? Sysctls { get; init; }
}

internal sealed record SeccompProfile(string Type);

internal sealed record Sysctl(string Name, string Value);

internal sealed record Container
{
    public required string Name { get; init; }

    public required string Image { get; init; }

    public string? ImagePullPolicy { get; init; }

    public IReadOnlyList<DeclaredPort>? Ports { get; init; }

    public IReadOnlyList<EnvironmentVariable>? Env { get; init; }

    public ResourceRequirements? Resources { get; init; }

    public ContainerSecurityContext? SecurityContext { get; init; }
}

internal sealed record DeclaredPort(int ContainerPort)
{
    public string? Protocol { get; init; }
}

internal sealed record EnvironmentVariable(string Name, string Value);

internal sealed record ResourceRequirements(Dictionary<string, string> Requests, Dictionary<string, string> Limits);

internal sealed record ContainerSecurityContext
{
    public bool? AllowPrivilegeEscalation { get; init; }

    public bool? ReadOnlyRootFilesystem { get; init; }

    public Capabilities? Capabilities { get; init; }
}

internal sealed record Capabilities(IReadOnlyList<string> Drop);

internal sealed record PodStatus
{
    public string? Phase { get; init; }

    public string? Reason { get; init; }

    public string? Message { get; init; }

    [JsonPropertyName("podIP")]
    public string? PodIP { get; init; }

    [JsonPropertyName("podIPs")]
    public IReadOnlyList<PodAddress>? PodIPs { get; init; }

    [JsonPropertyName("hostIP")]
    public string? HostIP { get; init; }

    public IReadOnlyList<Condition>? Conditions { get; init; }

    public IReadOnlyList<ContainerStatus>? InitContainerStatuses { get; init; }

    public IReadOnlyList<ContainerStatus>? ContainerStatuses { get; init; }
}

internal sealed record PodAddress(string? Ip);

internal sealed record ContainerStatus
{
    public string? Name { get; init; }

    public bool Ready { get; init; }

    public int RestartCount { get; init; }

    public ContainerState? State { get; init; }

    public ContainerState? LastState { get; init; }
}

internal sealed record ContainerState(ContainerWaiting? Waiting, ContainerRunning? Running, ContainerTerminated? Terminated);

internal sealed record ContainerWaiting(string? Reason, string? Message);

internal sealed record ContainerRunning(DateTimeOffset? StartedAt);

internal sealed record ContainerTerminated(int ExitCode, int? Signal, string? Reason, string? Message);

internal sealed record Service
{
    public string ApiVersion { get; init; } = "v1";

    public string Kind { get; init; } = "Service";

    public required ObjectMeta Metadata { get; init; }

    public ServiceSpec? Spec { get; init; }
}

internal sealed record ServiceSpec
{
    [JsonPropertyName("clusterIP")]
    public string? ClusterIP { get; init; }

    [JsonPropertyName("clusterIPs")]
    public IReadOnlyList<string>? ClusterIPs { get; init; }

    public IReadOnlyList<string>? IpFamilies { get; init; }

    public Dictionary<string, string>? Selector { get; init; }

    public IReadOnlyList<ServicePort>? Ports { get; init; }
}

internal sealed record ServicePort(int Port)
{
    public string? Name { get; init; }

    public string? Protocol { get; init; }
}

internal sealed record EventObject
{
    public required ObjectMeta Metadata { get; init; }

    public string? Type { get; init; }

    public string? Reason { get; init; }

    public string? Message { get; init; }

    public DateTimeOffset? LastTimestamp { get; init; }

    public DateTimeOffset? EventTime { get; init; }
}

internal sealed record Node
{
    public required ObjectMeta Metadata { get; init; }

    public NodeSpec? Spec { get; init; }
}

internal sealed record NodeSpec
{
    [JsonPropertyName("podCIDR")]
    public string? PodCidr { get; init; }

    [JsonPropertyName("podCIDRs")]
    public IReadOnlyList<string>? PodCidrs { get; init; }
}

internal sealed record ServiceCidr(ObjectMeta Metadata, ServiceCidrSpec? Spec);

internal sealed record ServiceCidrSpec(IReadOnlyList<string>? Cidrs);

internal sealed record KubeconfigView
{
    [JsonPropertyName("current-context")]
    public string? CurrentContext { get; init; }

    public IReadOnlyList<NamedCluster>? Clusters { get; init; }

    public IReadOnlyList<NamedContext>? Contexts { get; init; }
}

internal sealed record NamedCluster(string? Name, KubeconfigCluster? Cluster);

internal sealed record KubeconfigCluster(string? Server);

internal sealed record NamedContext(string? Name, KubeconfigContext? Context);

internal sealed record KubeconfigContext(string? Cluster, string? Namespace);

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectRequiredConstructorParameters = false)]
[JsonSerializable(typeof(KubeStatus))]
[JsonSerializable(typeof(Deployment))]
[JsonSerializable(typeof(DeleteOptions))]
[JsonSerializable(typeof(Service))]
[JsonSerializable(typeof(KubeList<Pod>))]
[JsonSerializable(typeof(KubeList<Service>))]
[JsonSerializable(typeof(KubeList<Node>))]
[JsonSerializable(typeof(KubeList<ServiceCidr>))]
[JsonSerializable(typeof(KubeList<Deployment>))]
[JsonSerializable(typeof(WatchEvent<JsonElement>))]
[JsonSerializable(typeof(Pod))]
[JsonSerializable(typeof(KubeList<EventObject>))]
[JsonSerializable(typeof(KubeList<JsonObject>))]
[JsonSerializable(typeof(JsonObject))]
[JsonSerializable(typeof(KubeconfigView))]
internal sealed partial class KubeJson : JsonSerializerContext;
