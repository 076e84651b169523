using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>What the downward API shows of a pod.</summary>
internal sealed class PodFields(JsonNode pod, IReadOnlyList<IPAddress> podAddresses, IReadOnlyList<IPAddress> nodeAddresses, string nodeName)
{
    /// <exception cref="NodeException">No such field.</exception>
    internal string Field(string path) => path switch
    {
        "metadata.name" or "metadata.namespace" or "metadata.uid" => pod.Text("metadata", path["metadata.".Length..]) ?? "",
        "metadata.labels" or "metadata.annotations" => Map(path["metadata.".Length..]),
        "spec.nodeName" => nodeName,
        "spec.serviceAccountName" => pod.Text("spec", "serviceAccountName") ?? "default",
        "status.hostIP" => nodeAddresses[0].ToString(),
        "status.hostIPs" => string.Join(',', nodeAddresses),
        "status.podIP" => podAddresses.Count > 0 ? podAddresses[0].ToString() : "",
        "status.podIPs" => string.Join(',', podAddresses),
        _ when Subscript(path, "metadata.labels") is string label => pod.Text("metadata", "labels", label) ?? "",
        _ when Subscript(path, "metadata.annotations") is string annotation => pod.Text("metadata", "annotations", annotation) ?? "",
        _ => throw new NodeException($"unsupported fieldPath: {path}"),
    };

    /// <summary>limits.cpu and so on of the named container (default: the given one). No limit means the node's capacity.</summary>
    internal string Resource(JsonNode reference, JsonNode? container)
    {
        if (reference.Text("containerName") is string name)
            container = pod.Items("spec", "containers").Concat(pod.Items("spec", "initContainers")).FirstOrDefault(c => c.Text("name") == name);
        string[] path = (reference.Text("resource") ?? "").Split('.', 2);
        if (path.Length != 2 || path[0] is not ("limits" or "requests"))
            throw new NodeException($"unsupported resource: {reference.Text("resource")}");
        string quantity = container.Text("resources", path[0], path[1]) ?? (path[0], path[1]) switch
        {
            ("limits", "cpu") => Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture),
            ("limits", "memory") => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes.ToString(CultureInfo.InvariantCulture),
            _ => "0",
        };
        return Quantity.Divide(quantity, reference.Text("divisor"));
    }

    private static string? Subscript(string path, string field) =>
        path.StartsWith(field + "['", StringComparison.Ordinal) && path.EndsWith("']", StringComparison.Ordinal)
            ? path[(field.Length + 2)..^2]
            : null;

    private string Map(string field)
    {
        var text = new StringBuilder();
        foreach ((string key, string value) in pod.Pairs("metadata", field).OrderBy(pair => pair.Key, StringComparer.Ordinal))
            text.Append(text.Length == 0 ? "" : "\n").Append(key).Append("=\"").Append(Escape(value)).Append('"');
        return text.ToString();
    }

    private static string Escape(string value) => value
        .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal);
}
