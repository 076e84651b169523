using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api;

/// <summary>A request's path and method, understood: which verb on which resource.</summary>
internal sealed record RequestInfo(RequestAttributes Attributes, ResourceType? Type)
{
    public string Subresource => Attributes.Subresource;

    public string Namespace => Attributes.Namespace;

    public string Name => Attributes.Name;

    public string Verb => Attributes.Verb;

    /// <param name="watch">The query has watch=true.</param>
    /// <param name="selectedName">metadata.name of the field selector, which counts as the name when access is checked.</param>
    public static RequestInfo Parse(string method, string path, bool watch, string? selectedName)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var (group, version, rest) = parts switch
        {
            ["api", var v, .. var r] when r.Length > 0 => ("", v, r),
            ["apis", var g, var v, .. var r] when r.Length > 0 => (g, v, r),
            _ => ("", "", Array.Empty<string>()),
        };
        if (rest.Length == 0) return new RequestInfo(new RequestAttributes(method.ToLowerInvariant(), "", "", "", "", "", path), null);

        var namespaceName = "";
        if (rest is ["namespaces", var home, var next, ..] && next is not ("status" or "finalize"))
        {
            namespaceName = home;
            rest = rest[2..];
        }
        var resource = rest[0];
        var name = rest.Length > 1 ? rest[1] : "";
        var sub = rest.Length > 2 ? rest[2] : "";
        if (resource == "namespaces" && group.Length == 0 && name.Length > 0) namespaceName = name;
        var verb = (method, name.Length > 0) switch
        {
            ("GET" or "HEAD", true) => "get",
            ("GET" or "HEAD", false) => watch ? "watch" : "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", true) => "delete",
            ("DELETE", false) => "deletecollection",
            _ => method.ToLowerInvariant(),
        };
        if (name.Length == 0 && verb is "list" or "watch" or "deletecollection" && selectedName is not null && name.Length == 0) name = selectedName;
        return new RequestInfo(new RequestAttributes(verb, group, resource, sub, namespaceName, name), ResourceTypes.Find(group, version, resource));
    }

    /// <summary>The namespace under which the object is stored: none for what is cluster-wide, also for Namespaces themselves.</summary>
    public string StoreNamespace => Type is { Namespaced: true } ? Namespace : "";
}
