using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api;

/// <summary>The kinds that are questions: who am I, may I, what may I, whose token is this.</summary>
internal sealed class ReviewHandler(Rbac rbac, Authenticator authenticator)
{
    public JsonObject Answer(ResourceType type, JsonObject body, User user)
    {
        body["kind"] = type.Kind;
        body["apiVersion"] = type.ApiVersion;
        body.Make("metadata").Default("creationTimestamp", null);
        body["status"] = type.Kind switch
        {
            "SelfSubjectAccessReview" => Access(user, body["spec"]),
            "SubjectAccessReview" => Access(new User(body.Str("spec", "user") ?? "", body.Str("spec", "uid") ?? "", body.Strings("spec", "groups")), body["spec"]),
            "SelfSubjectRulesReview" => Rules(user, body.Str("spec", "namespace") ?? ""),
            "SelfSubjectReview" => new JsonObject { ["userInfo"] = Info(user) },
            "TokenReview" => authenticator.ByToken(body.Str("spec", "token") ?? "") is { } owner
                ? new JsonObject { ["authenticated"] = true, ["user"] = Info(owner) }
                : new JsonObject { ["authenticated"] = false },
            _ => throw ApiException.NoSuchPath(),
        };
        return body;
    }

    private JsonObject Access(User user, JsonNode? spec)
    {
        var r = spec.Obj("resourceAttributes");
        var request = r is not null
            ? new RequestAttributes(r.Str("verb") ?? "", r.Str("group") ?? "", r.Str("resource") ?? "", r.Str("subresource") ?? "", r.Str("namespace") ?? "", r.Str("name") ?? "")
            : new RequestAttributes(spec.Str("nonResourceAttributes", "verb") ?? "", "", "", "", "", "", spec.Str("nonResourceAttributes", "path") ?? "/");
        return new JsonObject { ["allowed"] = rbac.Allows(user, request) };
    }

    private JsonObject Rules(User user, string namespaceName)
    {
        var all = user.Groups.Contains("system:masters")
            ? [new JsonObject { ["verbs"] = new JsonArray("*"), ["apiGroups"] = new JsonArray("*"), ["resources"] = new JsonArray("*") },
                new JsonObject { ["verbs"] = new JsonArray("*"), ["nonResourceURLs"] = new JsonArray("*") }]
            : rbac.RulesFor(user, namespaceName).Select(x => x.Copy()).ToList();
        return new JsonObject
        {
            ["resourceRules"] = Json.ArrayOf(all.Where(x => x["resources"] is not null)),
            ["nonResourceRules"] = Json.ArrayOf(all.Where(x => x["nonResourceURLs"] is not null)),
            ["incomplete"] = false,
        };
    }

    private static JsonObject Info(User user) => new()
    {
        ["username"] = user.Name,
        ["uid"] = user.Uid,
        ["groups"] = Json.ArrayOf(user.Groups),
    };
}
