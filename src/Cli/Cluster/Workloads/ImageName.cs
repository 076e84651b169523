namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>A reference to a container image, taken apart: <c>registry:5000/repository:tag@sha256:…</c>.</summary>
/// <param name="Repository">Everything before tag and digest.</param>
/// <param name="Tag">The tag; null when only a digest is given.</param>
internal sealed record ImageName(string Repository, string? Tag)
{
    /// <summary>By this the proxy's image is known, whatever registry it comes from.</summary>
    internal const string ProxyRepository = "telepresence-k8s";

    /// <summary>Whether it is the proxy's.</summary>
    internal bool IsProxy => Repository.Contains(ProxyRepository, StringComparison.Ordinal);

    /// <summary>Takes a reference apart. Without tag and digest the tag is <c>latest</c>.</summary>
    internal static ImageName Parse(string image)
    {
        int digest = image.IndexOf('@', StringComparison.Ordinal);
        string name = digest < 0 ? image : image[..digest];
        int colon = name.LastIndexOf(':');
        return colon > name.LastIndexOf('/')
            ? new ImageName(name[..colon], name[(colon + 1)..])
            : new ImageName(name, digest < 0 ? "latest" : null);
    }
}
