using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Controllers;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Api;

/// <summary>Subresources that are only created: serviceaccounts/token, pods/eviction, pods/binding.</summary>
internal sealed class SpecialCreates(Registry registry, TokenIssuer tokens)
{
    public static bool Handles(RequestInfo info) => info.Verb == "create" && info.Name.Length > 0
        && ((info.Type == ResourceTypes.ServiceAccounts && info.Subresource == "token")
            || (info.Type == ResourceTypes.Pods && info.Subresource is "eviction" or "binding"));

    public JsonObject Create(RequestInfo info, JsonObject body, WriteContext context)
    {
        switch (info.Subresource)
        {
            case "token":
                return Token(info, body);
            case "eviction":
                registry.Delete(ResourceTypes.Pods, info.Namespace, info.Name, body.Num("deleteOptions", "gracePeriodSeconds"), null, default, context);
                break;
            default:
                var pod = registry.Store.Get(ResourceTypes.Pods, info.Namespace, info.Name) ?? throw ApiException.NotFound(ResourceTypes.Pods, info.Name);
                if (pod.Str("spec", "nodeName") is { } bound) throw ApiException.Conflict(ResourceTypes.Pods, info.Name, $"pod {info.Name} is already assigned to node \"{bound}\"");
                Scheduler.Bind(registry, pod, body.Str("target", "name") ?? throw ApiException.BadRequest("target.name is required"));
                break;
        }
        return new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Success", ["code"] = 201 };
    }

    private JsonObject Token(RequestInfo info, JsonObject body)
    {
        var lifetime = TimeSpan.FromSeconds(Math.Clamp(body.Num("spec", "expirationSeconds") ?? 3600, 600, 1L << 32));
        var pod = body.Str("spec", "boundObjectRef", "kind") == "Pod"
            ? (body.Str("spec", "boundObjectRef", "name") ?? "", body.Str("spec", "boundObjectRef", "uid") ?? "")
            : ((string, string)?)null;
        var (token, expires) = tokens.Issue(info.Namespace, info.Name, body.Strings("spec", "audiences"), lifetime, pod, null);
        body["kind"] = "TokenRequest";
        body["apiVersion"] = "authentication.k8s.io/v1";
        body.Make("metadata")["name"] = info.Name;
        body.Meta()["namespace"] = info.Namespace;
        var spec = body.Make("spec");
        if (spec["audiences"] is null) spec["audiences"] = new JsonArray(TokenIssuer.Issuer);
        spec["expirationSeconds"] = (long)lifetime.TotalSeconds;
        body["status"] = new JsonObject { ["token"] = token, ["expirationTimestamp"] = Json.Stamp(expires) };
        return body;
    }
}
