namespace Telepresence.PracticeCluster.Objects;

/// <summary>Every kind that this API server knows.</summary>
internal static class ResourceTypes
{
    public static readonly ResourceType Namespaces = new("", "v1", "namespaces", "Namespace", false)
    { ShortNames = ["ns"], HasStatus = true };

    public static readonly ResourceType Nodes = new("", "v1", "nodes", "Node", false) { ShortNames = ["no"], HasStatus = true };

    public static readonly ResourceType Pods = new("", "v1", "pods", "Pod", true)
    { ShortNames = ["po"], Categories = ["all"], HasStatus = true };

    public static readonly ResourceType Services = new("", "v1", "services", "Service", true)
    { ShortNames = ["svc"], Categories = ["all"], HasStatus = true };

    public static readonly ResourceType Endpoints = new("", "v1", "endpoints", "Endpoints", true) { ShortNames = ["ep"] };

    public static readonly ResourceType ConfigMaps = new("", "v1", "configmaps", "ConfigMap", true) { ShortNames = ["cm"] };

    public static readonly ResourceType Secrets = new("", "v1", "secrets", "Secret", true);

    public static readonly ResourceType ServiceAccounts = new("", "v1", "serviceaccounts", "ServiceAccount", true)
    { ShortNames = ["sa"] };

    public static readonly ResourceType Events = new("", "v1", "events", "Event", true) { ShortNames = ["ev"] };

    public static readonly ResourceType ResourceQuotas = new("", "v1", "resourcequotas", "ResourceQuota", true)
    { ShortNames = ["quota"], HasStatus = true };

    public static readonly ResourceType LimitRanges = new("", "v1", "limitranges", "LimitRange", true) { ShortNames = ["limits"] };

    public static readonly ResourceType Deployments = new("apps", "v1", "deployments", "Deployment", true)
    { ShortNames = ["deploy"], Categories = ["all"], HasStatus = true, HasScale = true, HasGeneration = true };

    public static readonly ResourceType ReplicaSets = new("apps", "v1", "replicasets", "ReplicaSet", true)
    { ShortNames = ["rs"], Categories = ["all"], HasStatus = true, HasScale = true, HasGeneration = true };

    public static readonly ResourceType EndpointSlices = new("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true);

    public static readonly ResourceType Leases = new("coordination.k8s.io", "v1", "leases", "Lease", true);

    public static readonly ResourceType Roles = new("rbac.authorization.k8s.io", "v1", "roles", "Role", true);

    public static readonly ResourceType RoleBindings = new("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true);

    public static readonly ResourceType ClusterRoles = new("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false);

    public static readonly ResourceType ClusterRoleBindings =
        new("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false);

    public static readonly ResourceType SelfSubjectAccessReviews =
        new("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false) { Virtual = true };

    public static readonly ResourceType SubjectAccessReviews =
        new("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", false) { Virtual = true };

    public static readonly ResourceType SelfSubjectRulesReviews =
        new("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", false) { Virtual = true };

    public static readonly ResourceType SelfSubjectReviews =
        new("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", false) { Virtual = true };

    public static readonly ResourceType TokenReviews =
        new("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", false) { Virtual = true };

    public static readonly IReadOnlyList<ResourceType> All =
    [
        Namespaces, Nodes, Pods, Services, Endpoints, ConfigMaps, Secrets, ServiceAccounts, Events, ResourceQuotas, LimitRanges,
        Deployments, ReplicaSets, EndpointSlices, Leases, Roles, RoleBindings, ClusterRoles, ClusterRoleBindings,
        SelfSubjectAccessReviews, SubjectAccessReviews, SelfSubjectRulesReviews, SelfSubjectReviews, TokenReviews,
    ];

    public static ResourceType? Find(string group, string version, string plural) =>
        All.FirstOrDefault(t => t.Group == group && t.Version == version && t.Plural == plural);

    public static ResourceType? OfKind(string? apiVersion, string? kind) =>
        All.FirstOrDefault(t => t.ApiVersion == apiVersion && t.Kind == kind);

    public static ResourceType? Stored(string plural) => All.FirstOrDefault(t => t.Plural == plural && !t.Virtual);
}
