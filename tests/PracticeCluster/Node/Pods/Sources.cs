using System.Text;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Reads the data of ConfigMaps and Secrets.</summary>
internal static class Sources
{
    /// <param name="reference">Has name (or secretName) and optional.</param>
    /// <returns>null when it is missing and optional.</returns>
    /// <exception cref="NodeException">Missing and not optional.</exception>
    internal static Dictionary<string, byte[]>? Read(IClusterLookup lookup, bool isSecret, string namespaceName, JsonNode? reference)
    {
        string name = reference.Text("name") ?? reference.Text("secretName") ?? "";
        JsonObject? source = lookup.Get(isSecret ? "secrets" : "configmaps", namespaceName, name);
        if (source is null)
        {
            return reference.Flag("optional") == true
                ? null
                : throw new NodeException($"{(isSecret ? "secret" : "configmap")} \"{name}\" not found");
        }

        var result = new Dictionary<string, byte[]>();
        foreach ((string key, string value) in source.Pairs("data"))
            result[key] = isSecret ? Convert.FromBase64String(value) : Encoding.UTF8.GetBytes(value);
        foreach ((string key, string value) in source.Pairs("binaryData"))
            result[key] = Convert.FromBase64String(value);
        return result;
    }
}
