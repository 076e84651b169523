namespace Telepresence.PracticeCluster.Node;

/// <summary>Image names as the distribution specification and Docker's short forms write them.</summary>
internal static class ImageReference
{
    /// <summary>nginx becomes docker.io/library/nginx:latest.</summary>
    internal static string Normalize(string name)
    {
        int slash = name.IndexOf('/', StringComparison.Ordinal);
        string first = slash < 0 ? "" : name[..slash];
        bool hasRegistry = first.Contains('.', StringComparison.Ordinal) || first.Contains(':', StringComparison.Ordinal) || first == "localhost";
        if (!hasRegistry)
            name = slash < 0 ? $"docker.io/library/{name}" : $"docker.io/{name}";
        string last = name[(name.LastIndexOf('/') + 1)..];
        return last.Contains(':', StringComparison.Ordinal) || last.Contains('@', StringComparison.Ordinal) ? name : name + ":latest";
    }

    /// <summary>The path without registry, tag and digest; docker.io's "library/" is dropped.</summary>
    internal static string Repository(string normalized)
    {
        string name = normalized[(normalized.IndexOf('/', StringComparison.Ordinal) + 1)..].Split('@')[0];
        int colon = name.LastIndexOf(':');
        name = colon < 0 ? name : name[..colon];
        return name.StartsWith("library/", StringComparison.Ordinal) ? name["library/".Length..] : name;
    }
}
