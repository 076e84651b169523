using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api;

/// <summary>Which groups, versions and resources there are: /api, /apis and below, /version, /openapi.</summary>
internal static class Discovery
{
    private static readonly string[] AllVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

    public static JsonObject Version() => new()
    {
        ["major"] = "1",
        ["minor"] = "32",
        ["gitVersion"] = "v1.32.0+practice",
        ["gitCommit"] = "",
        ["gitTreeState"] = "clean",
        ["buildDate"] = "2025-01-01T00:00:00Z",
        ["goVersion"] = "",
        ["compiler"] = "dotnet",
        ["platform"] = "linux/amd64",
    };

    /// <summary>The answer for a discovery path, or null.</summary>
    public static JsonObject? Answer(string path, string host) => path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
    {
        ["version"] => Version(),
        ["api"] => new JsonObject
        {
            ["kind"] = "APIVersions",
            ["versions"] = new JsonArray("v1"),
            ["serverAddressByClientCIDRs"] = new JsonArray(new JsonObject { ["clientCIDR"] = "0.0.0.0/0", ["serverAddress"] = host }),
        },
        ["api", "v1"] => Resources("", "v1"),
        ["apis"] => new JsonObject { ["kind"] = "APIGroupList", ["apiVersion"] = "v1", ["groups"] = new JsonArray([.. Groups().Select(g => Group(g, named: false))]) },
        ["apis", var group] when Groups().Contains(group) => Group(group, named: true),
        ["apis", var group, var version] when ResourceTypes.All.Any(t => t.Group == group && t.Version == version) => Resources(group, version),
        ["openapi", "v3"] => OpenApiIndex(),
        ["openapi", "v3", "api", "v1"] => OpenApi("", "v1"),
        ["openapi", "v3", "apis", var group, var version] when ResourceTypes.All.Any(t => t.Group == group && t.Version == version) => OpenApi(group, version),
        _ => null,
    };

    private static IEnumerable<string> Groups() => ResourceTypes.All.Select(t => t.Group).Where(g => g.Length > 0).Distinct();

    private static JsonObject Group(string group, bool named)
    {
        var version = ResourceTypes.All.First(t => t.Group == group).Version;
        JsonObject Entry() => new() { ["groupVersion"] = $"{group}/{version}", ["version"] = version };
        var result = new JsonObject { ["name"] = group, ["versions"] = new JsonArray(Entry()), ["preferredVersion"] = Entry() };
        if (named) (result["kind"], result["apiVersion"]) = ("APIGroup", "v1");
        return result;
    }

    private static JsonObject Resources(string group, string version)
    {
        var resources = new JsonArray();
        foreach (var type in ResourceTypes.All.Where(t => t.Group == group && t.Version == version))
        {
            var entry = Entry(type, type.Plural, type.Kind, type.Virtual ? ["create"] : AllVerbs);
            if (type.ShortNames.Length > 0) entry["shortNames"] = Json.ArrayOf(type.ShortNames);
            if (type.Categories.Length > 0) entry["categories"] = Json.ArrayOf(type.Categories);
            entry["singularName"] = type.Singular;
            resources.Add(entry);
            if (type.HasStatus) resources.Add(Entry(type, $"{type.Plural}/status", type.Kind, ["get", "patch", "update"]));
            if (type.HasScale)
            {
                var scale = Entry(type, $"{type.Plural}/scale", "Scale", ["get", "patch", "update"]);
                (scale["group"], scale["version"]) = ("autoscaling", "v1");
                resources.Add(scale);
            }
            if (type == ResourceTypes.Pods)
            {
                resources.Add(Entry(type, "pods/log", "Pod", ["get"]));
                resources.Add(Entry(type, "pods/exec", "PodExecOptions", ["create", "get"]));
                resources.Add(Entry(type, "pods/attach", "PodAttachOptions", ["create", "get"]));
                resources.Add(Entry(type, "pods/portforward", "PodPortForwardOptions", ["create", "get"]));
                var eviction = Entry(type, "pods/eviction", "Eviction", ["create"]);
                (eviction["group"], eviction["version"]) = ("policy", "v1");
                resources.Add(eviction);
                resources.Add(Entry(type, "pods/binding", "Binding", ["create"]));
            }
            if (type == ResourceTypes.ServiceAccounts)
            {
                var token = Entry(type, "serviceaccounts/token", "TokenRequest", ["create"]);
                (token["group"], token["version"]) = ("authentication.k8s.io", "v1");
                resources.Add(token);
            }
        }
        return new JsonObject
        {
            ["kind"] = "APIResourceList",
            ["apiVersion"] = "v1",
            ["groupVersion"] = group.Length == 0 ? version : $"{group}/{version}",
            ["resources"] = resources,
        };
    }

    private static JsonObject Entry(ResourceType type, string name, string kind, string[] verbs) => new()
    {
        ["name"] = name,
        ["singularName"] = "",
        ["namespaced"] = type.Namespaced,
        ["kind"] = kind,
        ["verbs"] = Json.ArrayOf(verbs),
    };

    private static JsonObject OpenApiIndex()
    {
        var paths = new JsonObject { ["api/v1"] = new JsonObject { ["serverRelativeURL"] = "/openapi/v3/api/v1" } };
        foreach (var group in Groups())
        {
            var version = ResourceTypes.All.First(t => t.Group == group).Version;
            paths[$"apis/{group}/{version}"] = new JsonObject { ["serverRelativeURL"] = $"/openapi/v3/apis/{group}/{version}" };
        }
        return new JsonObject { ["paths"] = paths };
    }

    /// <summary>Paths and their parameters, no schemas: clients see that validation and dry runs are the server's business.</summary>
    private static JsonObject OpenApi(string group, string version)
    {
        var paths = new JsonObject();
        var root = group.Length == 0 ? "/api/v1" : $"/apis/{group}/{version}";
        foreach (var type in ResourceTypes.All.Where(t => t.Group == group && t.Version == version && !t.Virtual))
        {
            var collection = type.Namespaced ? $"{root}/namespaces/{{namespace}}/{type.Plural}" : $"{root}/{type.Plural}";
            paths[collection] = new JsonObject { ["post"] = Operation(type, "post") };
            paths[$"{collection}/{{name}}"] = new JsonObject
            {
                ["get"] = Operation(type, "get"),
                ["put"] = Operation(type, "put"),
                ["patch"] = Operation(type, "patch"),
                ["delete"] = Operation(type, "delete"),
            };
        }
        return new JsonObject
        {
            ["openapi"] = "3.0.0",
            ["info"] = new JsonObject { ["title"] = "Kubernetes", ["version"] = "v1.32.0" },
            ["paths"] = paths,
            ["components"] = new JsonObject { ["schemas"] = new JsonObject() },
        };
    }

    private static JsonObject Operation(ResourceType type, string action)
    {
        JsonObject Parameter(string name) => new()
        {
            ["name"] = name,
            ["in"] = "query",
            ["schema"] = new JsonObject { ["type"] = "string", ["uniqueItems"] = true },
        };
        var parameters = new JsonArray(Parameter("dryRun"));
        if (action is "patch" or "post" or "put")
        {
            parameters.Add(Parameter("fieldManager"));
            parameters.Add(Parameter("fieldValidation"));
        }
        return new JsonObject
        {
            ["parameters"] = action == "get" ? [] : parameters,
            ["responses"] = new JsonObject { ["200"] = new JsonObject { ["description"] = "OK" } },
            ["x-kubernetes-action"] = action,
            ["x-kubernetes-group-version-kind"] = new JsonObject { ["group"] = type.Group, ["version"] = type.Version, ["kind"] = type.Kind },
        };
    }
}
