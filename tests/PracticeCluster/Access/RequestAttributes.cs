namespace Telepresence.PracticeCluster.Access;

/// <summary>What is asked, in the words in which RBAC rules are written.</summary>
/// <param name="Path">For what is not a resource (/version, /healthz): the path; else empty.</param>
internal sealed record RequestAttributes(
    string Verb, string Group, string Resource, string Subresource, string Namespace, string Name, string Path = "")
{
    public bool IsResource => Path.Length == 0;

    /// <summary>pods, pods/log.</summary>
    public string Combined => Subresource.Length == 0 ? Resource : $"{Resource}/{Subresource}";
}
