using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Access;

/// <summary>Evaluates the Roles and bindings that are stored right now.</summary>
internal sealed class Rbac(ObjectStore store)
{
    public bool Allows(User user, RequestAttributes request) =>
        user.Groups.Contains("system:masters") || RulesFor(user, request.Namespace).Any(rule => Covers(rule, request));

    /// <summary>All rules that hold for the user in the namespace (empty: cluster-wide ones only).</summary>
    public IEnumerable<JsonObject> RulesFor(User user, string namespaceName)
    {
        foreach (var binding in store.List(ResourceTypes.ClusterRoleBindings))
        {
            if (!Names(binding, user, "")) continue;
            foreach (var rule in RulesOf(binding, "")) yield return rule;
        }
        if (namespaceName.Length == 0) yield break;
        foreach (var binding in store.List(ResourceTypes.RoleBindings, namespaceName))
        {
            if (!Names(binding, user, namespaceName)) continue;
            foreach (var rule in RulesOf(binding, namespaceName)) yield return rule;
        }
    }

    /// <summary>403 in the API server's words.</summary>
    public static ApiException Refusal(User user, RequestAttributes r)
    {
        if (!r.IsResource)
            return new ApiException(403, "Forbidden", $"forbidden: User \"{user.Name}\" cannot {r.Verb} path \"{r.Path}\"", []);
        var qualified = r.Group.Length == 0 ? r.Resource : $"{r.Resource}.{r.Group}";
        var where = r.Namespace.Length > 0 ? $"in the namespace \"{r.Namespace}\"" : "at the cluster scope";
        var name = r.Name.Length > 0 ? $" \"{r.Name}\"" : "";
        var details = new JsonObject { ["kind"] = r.Resource };
        if (r.Name.Length > 0) details["name"] = r.Name;
        if (r.Group.Length > 0) details["group"] = r.Group;
        return new ApiException(403, "Forbidden",
            $"{qualified}{name} is forbidden: User \"{user.Name}\" cannot {r.Verb} resource \"{r.Combined}\" in API group \"{r.Group}\" {where}",
            details);
    }

    /// <summary>
    /// Nobody grants by a Role what they have not got themselves, unless they may "escalate".
    /// </summary>
    public string? Escalation(User user, string namespaceName, IEnumerable<JsonObject> rules)
    {
        if (user.Groups.Contains("system:masters")) return null;
        var own = RulesFor(user, namespaceName).ToList();
        var missing = new List<string>();
        foreach (var rule in rules)
        {
            var covered = rule.Strings("apiGroups").All(group => rule.Strings("resources").All(resource => rule.Strings("verbs").All(verb =>
                (rule.Strings("resourceNames") is { Count: > 0 } names ? names : [""]).All(name => own.Any(o => Covers(o, Split(verb, group, resource, namespaceName, name)))))));
            if (!covered) missing.Add($"{{APIGroups:{List(rule, "apiGroups")}, Resources:{List(rule, "resources")}, Verbs:{List(rule, "verbs")}}}");
        }
        return missing.Count == 0 ? null
            : $"user \"{user.Name}\" (groups=[{string.Join(' ', user.Groups.Select(g => $"\"{g}\""))}]) is attempting to grant RBAC permissions not currently held:\n{string.Join('\n', missing)}";
    }

    public IEnumerable<JsonObject> RulesOf(JsonObject binding, string namespaceName)
    {
        var reference = binding["roleRef"];
        var type = reference.Str("kind") == "Role" ? ResourceTypes.Roles : ResourceTypes.ClusterRoles;
        var role = store.Get(type, type.Namespaced ? namespaceName : "", reference.Str("name") ?? "");
        return role.Each("rules");
    }

    internal static bool Covers(JsonObject rule, RequestAttributes r)
    {
        if (!Has(rule, "verbs", r.Verb)) return false;
        if (!r.IsResource)
            return rule.Strings("nonResourceURLs").Any(u => u == "*" || u == r.Path
                || (u.EndsWith('*') && r.Path.StartsWith(u[..^1], StringComparison.Ordinal)));
        var resource = rule.Strings("resources").Any(x => x == "*" || x == r.Combined
            || (r.Subresource.Length > 0 && x == $"*/{r.Subresource}"));
        var names = rule.Strings("resourceNames");
        return resource && Has(rule, "apiGroups", r.Group) && (names.Count == 0 || (r.Name.Length > 0 && names.Contains(r.Name)));
    }

    private static RequestAttributes Split(string verb, string group, string resource, string namespaceName, string name)
    {
        var slash = resource.IndexOf('/', StringComparison.Ordinal);
        return slash < 0
            ? new RequestAttributes(verb, group, resource, "", namespaceName, name)
            : new RequestAttributes(verb, group, resource[..slash], resource[(slash + 1)..], namespaceName, name);
    }

    private static string List(JsonObject rule, string field) => $"[{string.Join(' ', rule.Strings(field).Select(v => $"\"{v}\""))}]";

    private static bool Has(JsonObject rule, string field, string value) =>
        rule.Strings(field).Any(v => v == "*" || v == value);

    private static bool Names(JsonObject binding, User user, string namespaceName) => binding.Each("subjects").Any(s => s.Str("kind") switch
    {
        "User" => s.Str("name") == user.Name,
        "Group" => user.Groups.Contains(s.Str("name")),
        "ServiceAccount" => user.Name == $"system:serviceaccount:{s.Str("namespace") ?? namespaceName}:{s.Str("name")}",
        _ => false,
    });
}
