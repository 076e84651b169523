namespace Telepresence.PracticeCluster.Patches;

/// <summary>
/// Which lists of the built-in types are merged by key, and by which: the patchMergeKey of the field in the Kubernetes
/// API reference. The path is the object path below the item's root without list elements, written with dots.
/// </summary>
internal static class ListKeys
{
    /// <summary>Merge key of lists by field name, wherever they stand in a pod template, Service or Pod.</summary>
    private static readonly Dictionary<string, string> ByField = new(StringComparer.Ordinal)
    {
        ["containers"] = "name",
        ["initContainers"] = "name",
        ["ephemeralContainers"] = "name",
        ["env"] = "name",
        ["volumes"] = "name",
        ["volumeMounts"] = "mountPath",
        ["volumeDevices"] = "devicePath",
        ["imagePullSecrets"] = "name",
        ["hostAliases"] = "ip",
        ["ownerReferences"] = "uid",
        ["conditions"] = "type",
        ["podIPs"] = "ip",
        ["hostIPs"] = "ip",
        ["topologySpreadConstraints"] = "topologyKey",
        ["secrets"] = "name",
        ["resourceClaims"] = "name",
    };

    /// <summary>Lists of scalars that merge as sets.</summary>
    private static readonly HashSet<string> Sets = new(StringComparer.Ordinal) { "finalizers" };

    /// <summary>The key of the list <paramref name="field"/> of an object of <paramref name="kind"/>; null: the list is atomic.</summary>
    /// <param name="parent">Name of the field that holds the object with the list ("" at the root).</param>
    public static string? Of(string kind, string parent, string field) => (kind, parent, field) switch
    {
        ("Service", "spec", "ports") => "port",
        (_, "containers" or "initContainers", "ports") => "containerPort",
        ("Node", "spec", "taints") => "key",
        ("Node", "status", "addresses") => "type",
        ("ServiceAccount" or "Pod" or "Deployment" or "ReplicaSet", _, _) or (_, "metadata" or "status", _) =>
            field == "secrets" && kind != "ServiceAccount" ? null : ByField.GetValueOrDefault(field),
        _ => null,
    };

    public static bool IsSet(string field) => Sets.Contains(field);
}
