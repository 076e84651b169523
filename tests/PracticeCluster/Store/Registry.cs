using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Admission;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Store;

/// <summary>Who writes and how: carried through the rules, collects warnings for the Warning headers.</summary>
internal sealed record WriteContext(User User, bool DryRun = false)
{
    public static WriteContext Internal => new(User.System);

    public List<string> Warnings { get; } = [];
}

/// <summary>
/// The store with the rules of an API server around it: defaults, admission, validation, generations, status and scale
/// as separate halves of an object, graceful deletion and finalizers.
/// </summary>
internal sealed class Registry(ObjectStore store, ServiceAddresses addresses, Rbac rbac)
{
    public ObjectStore Store => store;

    public JsonObject Create(ResourceType type, string namespaceName, JsonObject item, WriteContext context) => store.Atomically(() =>
    {
        var meta = item.Meta();
        if (type.Namespaced)
        {
            if (meta.Str("namespace") is { } own && own != namespaceName)
                throw ApiException.BadRequest($"the namespace of the provided object does not match the namespace sent on the request");
            meta["namespace"] = namespaceName;
        }
        else meta.Remove("namespace");
        if (meta.Str("name") is not { Length: > 0 } && meta.Str("generateName") is { Length: > 0 } prefix)
            meta["name"] = prefix[..Math.Min(prefix.Length, 58)] + RandomName.Suffix();
        item["apiVersion"] = type.ApiVersion;
        item["kind"] = type.Kind;
        meta["uid"] = Guid.NewGuid().ToString();
        meta["creationTimestamp"] = Json.Now();
        foreach (var field in (ReadOnlySpan<string>)["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"])
            meta.Remove(field);
        if (type.HasGeneration) meta["generation"] = 1;
        if (type.HasStatus && context.User != User.System) item.Remove("status");
        Defaults.Apply(type, item);
        Admit(type, item, context);
        Validation.Check(type, item, null);
        CheckGrant(type, item, context);
        if (type == ResourceTypes.Services) addresses.Assign(store, item);
        if (type.Namespaced) CheckNamespace(type, item);
        Quota.Check(store, type, item);
        if (type.HasStatus) item.Make("status");
        if (!context.DryRun) return store.Add(type, item);
        if (store.Get(type, item.Namespace(), item.Name()) is not null) throw ApiException.AlreadyExists(type, item.Name());
        return item;
    });

    /// <summary>Changes the main half of an object: everything but status, uid and the like.</summary>
    public JsonObject Update(ResourceType type, string namespaceName, string name, Func<JsonObject, JsonObject> change, WriteContext context) =>
        Write(type, namespaceName, name, context, old =>
        {
            var item = change(old.Copy());
            CheckPrecondition(type, item, old);
            Pin(type, item, old);
            if (type.HasStatus)
            {
                item.Remove("status");
                if (old["status"] is { } status) item["status"] = status.DeepClone();
            }
            Defaults.Apply(type, item);
            if (type == ResourceTypes.Services)
            {
                // A client that replaces a Service without its addresses keeps them.
                if (item.Str("spec", "type") != "ExternalName" && item.Str("spec", "clusterIP") is not { Length: > 0 })
                    foreach (var field in (ReadOnlySpan<string>)["clusterIP", "clusterIPs", "ipFamilies"])
                        if (old.At("spec", field) is { } value) item.Make("spec").Default(field, value.DeepClone());
                Validation.Check(type, item, old);
                addresses.Assign(store, item);
            }
            else Validation.Check(type, item, old);
            if (type == ResourceTypes.Deployments) Warn(item.Namespace(), item.Obj("spec", "template", "spec"), context);
            CheckGrant(type, item, context);
            if (type.HasGeneration && !Json.Same(item["spec"], old["spec"])) item.Meta()["generation"] = (old.Num("metadata", "generation") ?? 0) + 1;
            return item;
        });

    /// <summary>Changes status only (and, as on a real server, labels and annotations stay as they are).</summary>
    public JsonObject UpdateStatus(ResourceType type, string namespaceName, string name, Func<JsonObject, JsonObject> change, WriteContext context) =>
        Write(type, namespaceName, name, context, old =>
        {
            var item = change(old.Copy());
            CheckPrecondition(type, item, old);
            var result = old.Copy();
            result["status"] = item["status"]?.DeepClone() ?? new JsonObject();
            return result;
        });

    /// <summary>
    /// Deletes, or begins to. Returns the object when it lives on for its grace period, finalizers or contents, null when
    /// it is gone.
    /// </summary>
    /// <param name="grace">Seconds; null for the object's own.</param>
    /// <param name="propagation">Background, Foreground or Orphan; null for the default.</param>
    public JsonObject? Delete(ResourceType type, string namespaceName, string name, long? grace, string? propagation,
        (string? Uid, string? Revision) precondition, WriteContext context) => store.Atomically(() =>
    {
        var old = store.Get(type, namespaceName, name) ?? throw ApiException.NotFound(type, name);
        if (precondition.Uid is { } uid && uid != old.Uid())
            throw ApiException.Conflict(type, name, $"the UID in the precondition ({uid}) does not match the UID in record ({old.Uid()}). The object might have been deleted and then recreated");
        if (precondition.Revision is { } revision && revision != old.Str("metadata", "resourceVersion")) throw ApiException.Conflict(type, name);
        if (type == ResourceTypes.Namespaces && name is "default" or "kube-system" or "kube-public" && context.User != User.System && type == ResourceTypes.Namespaces)
            throw ApiException.Forbidden(type, name, "this namespace may not be deleted");
        if (context.DryRun) return old;
        if (propagation == "Orphan") Orphan(old);
        if (propagation == "Foreground" && Dependents(old).Any()) return MarkDeleting(type, old, 0, "foregroundDeletion");
        if (type == ResourceTypes.Pods)
        {
            var period = grace ?? old.Num("spec", "terminationGracePeriodSeconds") ?? 30;
            var idle = old.Str("spec", "nodeName") is null || old.Str("status", "phase") is "Succeeded" or "Failed";
            if (period > 0 && !idle) return MarkDeleting(type, old, period, null);
        }
        if (type == ResourceTypes.Namespaces) return MarkDeleting(type, old, 0, null);
        if (old.Strings("metadata", "finalizers").Count > 0) return MarkDeleting(type, old, 0, null);
        store.Remove(type, namespaceName, name);
        return null;
    });

    /// <summary>Objects in the same namespace (or cluster-wide) that have this one as an owner.</summary>
    public IEnumerable<(ResourceType Type, JsonObject Item)> Dependents(JsonObject owner)
    {
        var uid = owner.Uid();
        foreach (var type in ResourceTypes.All.Where(t => !t.Virtual && t != ResourceTypes.Events))
            foreach (var item in store.List(type, type.Namespaced ? owner.Namespace() : ""))
                if (item.Each("metadata", "ownerReferences").Any(r => r.Str("uid") == uid)) yield return (type, item);
    }

    private JsonObject Write(ResourceType type, string namespaceName, string name, WriteContext context, Func<JsonObject, JsonObject> change) =>
        store.Atomically(() =>
        {
            if (context.DryRun) return change(store.Get(type, namespaceName, name) ?? throw ApiException.NotFound(type, name));
            var result = store.Replace(type, namespaceName, name, change);
            var freed = result.IsDeleting() && result.Strings("metadata", "finalizers").Count == 0
                && type != ResourceTypes.Pods && (type != ResourceTypes.Namespaces || result.Strings("spec", "finalizers").Count == 0);
            if (freed) store.Remove(type, namespaceName, name);
            return result;
        });

    private void Admit(ResourceType type, JsonObject item, WriteContext context)
    {
        if (type == ResourceTypes.Pods)
        {
            if (store.Get(ResourceTypes.Namespaces, "", item.Namespace()) is null) throw ApiException.NotFound(ResourceTypes.Namespaces, item.Namespace());
            ServiceAccountAdmission.Apply(store, item);
            LimitRanges.Apply(store, item);
            var spec = item.Make("spec");
            var status = item.Make("status");
            status["phase"] = "Pending";
            status["qosClass"] = PodResources.QosClass(spec);
            var (level, version) = PodSecurity.LevelOf(store.Get(ResourceTypes.Namespaces, "", item.Namespace()), "enforce");
            if (PodSecurity.Violation(level, version, spec) is { } violation) throw ApiException.Forbidden(type, item.Name(), violation);
            Warn(item.Namespace(), spec, context);
        }
        else if (type == ResourceTypes.Deployments) Warn(item.Namespace(), item.Obj("spec", "template", "spec"), context);
    }

    private void Warn(string namespaceName, JsonObject? spec, WriteContext context)
    {
        var (level, version) = PodSecurity.LevelOf(store.Get(ResourceTypes.Namespaces, "", namespaceName), "warn");
        if (PodSecurity.Violation(level, version, spec) is { } violation) context.Warnings.Add($"would {violation.Replace("violates", "violate", StringComparison.Ordinal)}");
    }

    private void CheckNamespace(ResourceType type, JsonObject item)
    {
        var home = store.Get(ResourceTypes.Namespaces, "", item.Namespace()) ?? throw ApiException.NotFound(ResourceTypes.Namespaces, item.Namespace());
        if (home.IsDeleting() && type != ResourceTypes.Events)
            throw ApiException.Forbidden(type, item.Name(), $"unable to create new content in namespace {item.Namespace()} because it is being terminated");
    }

    private void CheckGrant(ResourceType type, JsonObject item, WriteContext context)
    {
        var role = type == ResourceTypes.Roles || type == ResourceTypes.ClusterRoles;
        var binding = type == ResourceTypes.RoleBindings || type == ResourceTypes.ClusterRoleBindings;
        if (!role && !binding) return;
        var verb = role ? "escalate" : "bind";
        var target = role ? type.Plural : item.Str("roleRef", "kind") == "Role" ? "roles" : "clusterroles";
        var name = role ? item.Name() : item.Str("roleRef", "name") ?? "";
        if (rbac.Allows(context.User, new RequestAttributes(verb, "rbac.authorization.k8s.io", target, "", item.Namespace(), name))) return;
        var rules = role ? item.Each("rules") : rbac.RulesOf(item, item.Namespace());
        if (rbac.Escalation(context.User, item.Namespace(), rules) is { } why) throw ApiException.Forbidden(type, item.Name(), why);
    }

    private JsonObject MarkDeleting(ResourceType type, JsonObject old, long grace, string? finalizer) =>
        store.Replace(type, old.Namespace(), old.Name(), item =>
        {
            var meta = item.Meta();
            if (finalizer is not null && !item.Strings("metadata", "finalizers").Contains(finalizer))
            {
                if (meta["finalizers"] is not JsonArray list) meta["finalizers"] = list = [];
                list.Add(finalizer);
            }
            // A second deletion may only shorten the grace.
            if (!item.IsDeleting() || grace < (item.Num("metadata", "deletionGracePeriodSeconds") ?? 0))
            {
                meta["deletionTimestamp"] = Json.Stamp(DateTime.UtcNow.AddSeconds(grace));
                meta["deletionGracePeriodSeconds"] = grace;
            }
            if (type == ResourceTypes.Namespaces) item.Make("status")["phase"] = "Terminating";
            return item;
        });

    private void Orphan(JsonObject owner)
    {
        foreach (var (type, item) in Dependents(owner).ToList())
        {
            store.Replace(type, item.Namespace(), item.Name(), o =>
            {
                o.Meta()["ownerReferences"] = Json.ArrayOf(o.Each("metadata", "ownerReferences").Where(r => r.Str("uid") != owner.Uid()).Select(r => r.Copy()));
                return o;
            });
        }
    }

    private static void CheckPrecondition(ResourceType type, JsonObject item, JsonObject old)
    {
        if (item.Str("metadata", "resourceVersion") is { Length: > 0 } asked && asked != old.Str("metadata", "resourceVersion"))
            throw ApiException.Conflict(type, old.Name());
        if (item.Str("metadata", "uid") is { Length: > 0 } uid && uid != old.Uid())
            throw ApiException.Conflict(type, old.Name(), $"Precondition failed: UID in precondition: {uid}, UID in object meta: {old.Uid()}");
        if (item.Str("metadata", "name") is { } name && name != old.Name())
            throw ApiException.BadRequest($"the name of the object ({name}) does not match the name on the URL ({old.Name()})");
    }

    /// <summary>What the client cannot change.</summary>
    private static void Pin(ResourceType type, JsonObject item, JsonObject old)
    {
        item["apiVersion"] = type.ApiVersion;
        item["kind"] = type.Kind;
        var meta = item.Meta();
        foreach (var field in (ReadOnlySpan<string>)["name", "namespace", "uid", "creationTimestamp", "generation", "generateName", "deletionTimestamp", "deletionGracePeriodSeconds"])
        {
            meta.Remove(field);
            if (old.At("metadata", field) is { } value) meta[field] = value.DeepClone();
        }
    }
}
