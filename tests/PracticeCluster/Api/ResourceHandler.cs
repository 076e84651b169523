using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Api.Tables;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Patches;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Api;

/// <summary>get, list, create, update, patch and delete of stored objects, with the status and scale subresources.</summary>
internal sealed class ResourceHandler(Registry registry)
{
    public async Task HandleAsync(HttpContext http, RequestInfo info, User user)
    {
        var type = info.Type!;
        if (info.Subresource.Length > 0 && !(info.Subresource == "status" && type.HasStatus) && !(info.Subresource == "scale" && type.HasScale)
            && !(info.Subresource == "finalize" && type == ResourceTypes.Namespaces)) throw ApiException.NoSuchPath();
        var context = new WriteContext(user, http.Request.Query["dryRun"].ToString() == "All");
        switch (info.Verb)
        {
            case "get":
                await GetAsync(http, info, type).ConfigureAwait(false);
                break;
            case "list":
                await ListAsync(http, info, type).ConfigureAwait(false);
                break;
            case "create":
                await CreateAsync(http, info, type, context).ConfigureAwait(false);
                break;
            case "update":
                var body = await RequestBody.ReadObjectAsync(http.Request).ConfigureAwait(false);
                CheckKind(info, type, body);
                CheckFields(http, info, type, body, context);
                await WriteItemAsync(http, type, 200, Change(info, type, _ => body.Copy(), context), context).ConfigureAwait(false);
                break;
            case "patch":
                await PatchAsync(http, info, type, context).ConfigureAwait(false);
                break;
            case "delete":
                await DeleteAsync(http, info, type, context).ConfigureAwait(false);
                break;
            case "deletecollection":
                await DeleteCollectionAsync(http, info, type, context).ConfigureAwait(false);
                break;
            default:
                throw ApiException.MethodNotAllowed();
        }
    }

    private async Task GetAsync(HttpContext http, RequestInfo info, ResourceType type)
    {
        var item = registry.Store.Get(type, info.StoreNamespace, info.Name) ?? throw ApiException.NotFound(type, info.Name);
        if (info.Subresource == "scale") await http.Response.WriteAsync(200, Scale.Of(item)).ConfigureAwait(false);
        else if (TableFormat.Wanted(http.Request) is { } format)
            await http.Response.WriteAsync(200, TableFormat.Make(type, [item], new JsonObject { ["resourceVersion"] = item.Str("metadata", "resourceVersion") }, format)).ConfigureAwait(false);
        else await http.Response.WriteAsync(200, item).ConfigureAwait(false);
    }

    private async Task ListAsync(HttpContext http, RequestInfo info, ResourceType type)
    {
        var query = http.Request.Query;
        var labels = LabelSelector.Parse(query["labelSelector"]);
        var fields = FieldSelector.Parse(query["fieldSelector"]);
        var items = registry.Store.List(type, info.StoreNamespace, out var revision).Where(i => labels.Matches(i) && fields.Matches(i)).ToList();
        var metadata = new JsonObject { ["resourceVersion"] = revision.ToString(CultureInfo.InvariantCulture) };
        if (query["continue"].ToString() is { Length: > 0 } token)
        {
            var start = DecodeContinue(token);
            items = [.. items.SkipWhile(i => string.CompareOrdinal(ObjectStore.Key(i.Namespace(), i.Name()), start) <= 0)];
        }
        if (int.TryParse(query["limit"], CultureInfo.InvariantCulture, out var limit) && limit > 0 && items.Count > limit)
        {
            metadata["remainingItemCount"] = items.Count - limit;
            items = items[..limit];
            metadata["continue"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(ObjectStore.Key(items[^1].Namespace(), items[^1].Name())));
        }
        if (TableFormat.Wanted(http.Request) is { } format)
            await http.Response.WriteAsync(200, TableFormat.Make(type, items, metadata, format)).ConfigureAwait(false);
        else await http.Response.WriteListAsync(type, metadata, items).ConfigureAwait(false);
    }

    private static string DecodeContinue(string token)
    {
        var bytes = new byte[token.Length];
        return Convert.TryFromBase64String(token, bytes, out var n)
            ? Encoding.UTF8.GetString(bytes, 0, n)
            : throw ApiException.BadRequest("continue key is not valid: illegal base64 data");
    }

    private async Task CreateAsync(HttpContext http, RequestInfo info, ResourceType type, WriteContext context)
    {
        if (info.Name.Length > 0) throw ApiException.MethodNotAllowed();
        var body = await RequestBody.ReadObjectAsync(http.Request).ConfigureAwait(false);
        CheckKind(info, type, body);
        CheckFields(http, info, type, body, context);
        ManagedFields.Record(type, body, Manager(http), "Update");
        await WriteItemAsync(http, type, 201, registry.Create(type, info.StoreNamespace, body, context), context).ConfigureAwait(false);
    }

    private async Task PatchAsync(HttpContext http, RequestInfo info, ResourceType type, WriteContext context)
    {
        var media = (http.Request.ContentType ?? "").Split(';')[0].Trim();
        var patch = await RequestBody.ReadAsync(http.Request).ConfigureAwait(false);
        if (media == "application/apply-patch+yaml")
        {
            await ApplyAsync(http, info, type, patch as JsonObject ?? throw ApiException.BadRequest("an apply patch is an object"), context).ConfigureAwait(false);
            return;
        }
        JsonObject Apply(JsonObject old) => (media, patch) switch
        {
            ("application/json-patch+json", JsonArray steps) => JsonPatch.Apply(old, steps) as JsonObject,
            ("application/merge-patch+json", JsonObject) => MergePatch.Apply(old, patch) as JsonObject,
            ("application/strategic-merge-patch+json", JsonObject changes) => new StrategicMergePatch(type.Kind).Apply(old, changes),
            ("application/json-patch+json" or "application/merge-patch+json" or "application/strategic-merge-patch+json", _) =>
                throw ApiException.BadRequest("the patch has the wrong JSON type"),
            _ => throw ApiException.UnsupportedMediaType(media),
        } ?? throw ApiException.BadRequest("the patched object is not an object");

        await WriteItemAsync(http, type, 200, Change(info, type, old =>
        {
            var revision = old.Str("metadata", "resourceVersion");
            var result = Apply(old);
            CheckFields(http, info, type, result, context);
            // A patch that does not name a resourceVersion is for whatever is there.
            if (result.Str("metadata", "resourceVersion") == revision) result.Meta().Remove("resourceVersion");
            return result;
        }, context), context).ConfigureAwait(false);
    }

    private async Task ApplyAsync(HttpContext http, RequestInfo info, ResourceType type, JsonObject applied, WriteContext context)
    {
        CheckKind(info, type, applied);
        CheckFields(http, info, type, applied, context);
        var manager = http.Request.Query["fieldManager"].ToString();
        if (manager.Length == 0)
            throw new ApiException(422, "Invalid", "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch");
        var force = http.Request.Query["force"].ToString() == "true";
        if (registry.Store.Get(type, info.StoreNamespace, info.Name) is null && info.Subresource.Length == 0)
        {
            var fresh = applied.Copy();
            fresh.Meta()["name"] = info.Name;
            ManagedFields.Record(type, fresh, manager, "Apply");
            await WriteItemAsync(http, type, 201, registry.Create(type, info.StoreNamespace, fresh, context), context).ConfigureAwait(false);
            return;
        }
        await WriteItemAsync(http, type, 200, Change(info, type, old => ServerSideApply.Apply(type, old, applied, manager, force), context), context).ConfigureAwait(false);
    }

    /// <summary>Update of the half of the object that the path names. For scale, <paramref name="change"/> sees the Scale.</summary>
    private JsonObject Change(RequestInfo info, ResourceType type, Func<JsonObject, JsonObject> change, WriteContext context) => info.Subresource switch
    {
        "status" => registry.UpdateStatus(type, info.StoreNamespace, info.Name, change, context),
        "scale" => Scale.Of(registry.Update(type, info.StoreNamespace, info.Name, old => Scale.Apply(type, old, change(Scale.Of(old))), context)),
        "finalize" => registry.Update(type, info.StoreNamespace, info.Name, change, context),
        _ => registry.Update(type, info.StoreNamespace, info.Name, change, context),
    };

    private async Task DeleteAsync(HttpContext http, RequestInfo info, ResourceType type, WriteContext context)
    {
        var options = await DeleteOptions.ReadAsync(http.Request).ConfigureAwait(false);
        context = context with { DryRun = context.DryRun || options.DryRun };
        var before = registry.Store.Get(type, info.StoreNamespace, info.Name);
        var left = registry.Delete(type, info.StoreNamespace, info.Name, options.Grace, options.Propagation, options.Precondition, context);
        // The real server answers with the object where deletion is graceful by nature.
        if (left is null && type != ResourceTypes.Pods) await http.Response.WriteAsync(200, Responses.Success(type, before!)).ConfigureAwait(false);
        else await WriteItemAsync(http, type, 200, left ?? before!, context).ConfigureAwait(false);
    }

    private async Task DeleteCollectionAsync(HttpContext http, RequestInfo info, ResourceType type, WriteContext context)
    {
        var options = await DeleteOptions.ReadAsync(http.Request).ConfigureAwait(false);
        var labels = LabelSelector.Parse(http.Request.Query["labelSelector"]);
        var fields = FieldSelector.Parse(http.Request.Query["fieldSelector"]);
        var items = registry.Store.List(type, info.StoreNamespace).Where(i => labels.Matches(i) && fields.Matches(i)).ToList();
        foreach (var item in items)
            registry.Delete(type, item.Namespace(), item.Name(), options.Grace, options.Propagation, default, context);
        await http.Response.WriteListAsync(type, new JsonObject { ["resourceVersion"] = registry.Store.Revision.ToString(CultureInfo.InvariantCulture) }, items).ConfigureAwait(false);
    }

    private static void CheckKind(RequestInfo info, ResourceType type, JsonObject body)
    {
        if (info.Subresource == "scale") return;
        if (body.Str("kind") is { Length: > 0 } kind && kind != type.Kind)
            throw ApiException.BadRequest($"{kind} in version \"{body.Str("apiVersion")}\" cannot be handled as a {type.Kind}: no kind \"{kind}\" is registered for the internal version of this resource");
        if (body.Str("apiVersion") is { Length: > 0 } version && version != type.ApiVersion)
            throw ApiException.BadRequest($"the API version in the data ({version}) does not match the expected API version ({type.ApiVersion})");
    }

    /// <summary>fieldValidation: Strict refuses unknown fields, Warn (the default) warns, Ignore does neither.</summary>
    private static void CheckFields(HttpContext http, RequestInfo info, ResourceType type, JsonObject body, WriteContext context)
    {
        var mode = http.Request.Query["fieldValidation"].ToString();
        if (mode == "Ignore" || info.Subresource == "scale") return;
        var unknown = UnknownFields.Find(type, body);
        if (unknown.Count == 0) return;
        var listed = string.Join(", ", unknown.Select(u => $"unknown field \"{u}\""));
        if (mode == "Strict")
            throw ApiException.BadRequest($"{type.Kind} in version \"{type.Version}\" cannot be handled as a {type.Kind}: strict decoding error: {listed}");
        context.Warnings.AddRange(unknown.Select(u => $"unknown field \"{u}\""));
    }

    private static string Manager(HttpContext http)
    {
        var asked = http.Request.Query["fieldManager"].ToString();
        return asked.Length > 0 ? asked : http.Request.Headers.UserAgent.ToString().Split('/')[0];
    }

    private static async Task WriteItemAsync(HttpContext http, ResourceType type, int status, JsonObject item, WriteContext context)
    {
        foreach (var warning in context.Warnings)
            http.Response.Headers.Append("Warning", $"299 - \"{warning.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"");
        if (TableFormat.Wanted(http.Request) is { } format && item.Str("kind") == type.Kind)
            await http.Response.WriteAsync(status, TableFormat.Make(type, [item], new JsonObject { ["resourceVersion"] = item.Str("metadata", "resourceVersion") }, format)).ConfigureAwait(false);
        else await http.Response.WriteAsync(status, item).ConfigureAwait(false);
    }
}
