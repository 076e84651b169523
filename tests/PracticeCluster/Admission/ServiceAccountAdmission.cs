using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Admission;

/// <summary>Gives each pod its ServiceAccount and the projected volume with token, ca.crt and namespace.</summary>
internal static class ServiceAccountAdmission
{
    private const string MountPath = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// <exception cref="ApiException">403 when the account is not there.</exception>
    public static void Apply(ObjectStore store, JsonObject pod)
    {
        var spec = pod.Make("spec");
        var name = spec.Str("serviceAccountName") ?? "default";
        spec["serviceAccountName"] = name;
        spec["serviceAccount"] = name;
        var account = store.Get(ResourceTypes.ServiceAccounts, pod.Namespace(), name)
            ?? throw ApiException.Forbidden(ResourceTypes.Pods, pod.Name(), $"error looking up service account {pod.Namespace()}/{name}: serviceaccount \"{name}\" not found");
        if (spec["imagePullSecrets"] is null && account["imagePullSecrets"] is { } secrets) spec["imagePullSecrets"] = secrets.DeepClone();
        if ((spec.Flag("automountServiceAccountToken") ?? account.Flag("automountServiceAccountToken")) == false) return;

        var needing = spec.Each("containers").Concat(spec.Each("initContainers"))
            .Where(c => c.Each("volumeMounts").All(m => m.Str("mountPath") != MountPath)).ToList();
        if (needing.Count == 0) return;
        var volume = $"kube-api-access-{RandomName.Suffix()}";
        foreach (var container in needing)
        {
            if (container["volumeMounts"] is not JsonArray mounts) container["volumeMounts"] = mounts = [];
            mounts.Add(new JsonObject { ["name"] = volume, ["readOnly"] = true, ["mountPath"] = MountPath });
        }
        if (spec["volumes"] is not JsonArray volumes) spec["volumes"] = volumes = [];
        volumes.Add(Volume(volume));
    }

    private static JsonObject Volume(string name) => new()
    {
        ["name"] = name,
        ["projected"] = new JsonObject
        {
            ["sources"] = new JsonArray(
                new JsonObject { ["serviceAccountToken"] = new JsonObject { ["expirationSeconds"] = 3607, ["path"] = "token" } },
                new JsonObject
                {
                    ["configMap"] = new JsonObject
                    {
                        ["name"] = "kube-root-ca.crt",
                        ["items"] = new JsonArray(new JsonObject { ["key"] = "ca.crt", ["path"] = "ca.crt" }),
                    },
                },
                new JsonObject
                {
                    ["downwardAPI"] = new JsonObject
                    {
                        ["items"] = new JsonArray(new JsonObject
                        {
                            ["path"] = "namespace",
                            ["fieldRef"] = new JsonObject { ["apiVersion"] = "v1", ["fieldPath"] = "metadata.namespace" },
                        }),
                    },
                }),
            ["defaultMode"] = 0x1A4,
        },
    };
}
