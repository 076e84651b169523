using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>The variables that name each Service: NAME_SERVICE_HOST and the older form of Docker's links.</summary>
internal static class ServiceVariables
{
    internal static IEnumerable<KeyValuePair<string, string>> Of(JsonNode service)
    {
        string? address = service.Text("spec", "clusterIP");
        JsonNode[] ports = [.. service.Items("spec", "ports")];
        if (address is null or "" or "None" || ports.Length == 0)
            yield break;
        string name = Variable(service.Text("metadata", "name")!);
        string host = address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address;
        yield return new($"{name}_SERVICE_HOST", address);
        yield return new($"{name}_SERVICE_PORT", ports[0].Text("port")!);
        foreach (JsonNode port in ports)
        {
            if (port.Text("name") is { Length: > 0 } portName)
                yield return new($"{name}_SERVICE_PORT_{Variable(portName)}", port.Text("port")!);
        }

        yield return new($"{name}_PORT", Url(ports[0], host));
        foreach (JsonNode port in ports)
        {
            string protocol = port.Text("protocol") ?? "TCP";
            string prefix = $"{name}_PORT_{port.Text("port")}_{protocol}";
            yield return new(prefix, Url(port, host));
            yield return new($"{prefix}_PROTO", protocol.ToLowerInvariant());
            yield return new($"{prefix}_PORT", port.Text("port")!);
            yield return new($"{prefix}_ADDR", address);
        }
    }

    private static string Url(JsonNode port, string host) =>
        $"{(port.Text("protocol") ?? "TCP").ToLowerInvariant()}://{host}:{port.Text("port")}";

    private static string Variable(string name) => name.ToUpperInvariant().Replace('-', '_');
}
