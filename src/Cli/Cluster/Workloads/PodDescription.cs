using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>What a pod's object says about one of its containers: the live one, with what admission has added.</summary>
internal sealed record PodDescription
{
    /// <summary>Name of the pod.</summary>
    internal required string Pod { get; init; }

    /// <summary>Name of the container.</summary>
    internal required string Container { get; init; }

    /// <summary>Its volume mounts, in the order of the spec; the service account's is among them where there is one.</summary>
    internal required IReadOnlyList<ContainerMount> Mounts { get; init; }

    /// <summary>Names that <c>env</c> declares. Those of <c>envFrom</c> are known only in the pod.</summary>
    internal required IReadOnlySet<string> DeclaredNames { get; init; }

    /// <summary>Ports that the container declares.</summary>
    internal required IReadOnlyList<ContainerPort> Ports { get; init; }

    /// <summary>Name of the node, or null while there is none.</summary>
    internal string? Node { get; init; }

    /// <summary>The pod's addresses.</summary>
    internal required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>The pod's service account.</summary>
    internal required string ServiceAccount { get; init; }

    /// <summary>Reads a pod.</summary>
    /// <exception cref="KubeException">The API server refuses, or the pod is gone.</exception>
    internal static async Task<PodDescription> ReadAsync(KubeClient client, string @namespace, string pod, string container, CancellationToken cancellation) =>
        Of(await client.GetAsync(KubeRequest.GetPod(@namespace, pod), KubeJson.Default.JsonObject, cancellation), container);

    /// <summary>Describes one container of a pod.</summary>
    internal static PodDescription Of(JsonObject pod, string container)
    {
        JsonObject spec = pod["spec"]!.AsObject();
        JsonObject found = Each(spec, "containers").First(present => (string?)present["name"] == container);
        Dictionary<string, string> kinds = Each(spec, "volumes").ToDictionary(static volume => (string)volume["name"]!, static volume => volume.Select(static field => field.Key).FirstOrDefault(static key => key != "name") ?? "emptyDir");
        return new PodDescription
        {
            Pod = (string)pod["metadata"]!["name"]!,
            Container = container,
            Mounts =
            [
                .. Each(found, "volumeMounts").Where(static mount => (string?)mount["mountPath"] != StandIn.RestoreMountPath).Select(mount => new ContainerMount(
                    (string)mount["mountPath"]!,
                    (string)mount["name"]!,
                    kinds.GetValueOrDefault((string)mount["name"]!) ?? "",
                    mount["readOnly"] is JsonValue flag && flag.TryGetValue(out bool readOnly) && readOnly,
                    (string?)mount["subPath"] ?? (string?)mount["subPathExpr"])),
            ],
            DeclaredNames = Each(found, "env").Select(static variable => (string)variable["name"]!).ToHashSet(StringComparer.Ordinal),
            Ports = [.. Each(found, "ports").Select(static port => new ContainerPort((int)port["containerPort"]!, (string?)port["protocol"] ?? "TCP", (string?)port["name"]))],
            Node = (string?)spec["nodeName"],
            Addresses = [.. pod["status"]?["podIPs"] is JsonArray several ? several.Select(static address => (string?)address?["ip"]).OfType<string>() : new[] { (string?)pod["status"]?["podIP"] }.OfType<string>()],
            ServiceAccount = (string?)spec["serviceAccountName"] ?? "default",
        };
    }

    private static IEnumerable<JsonObject> Each(JsonObject parent, string list) => (parent[list] as JsonArray ?? []).Select(static item => item!.AsObject());
}
