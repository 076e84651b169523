using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Questions that several controllers ask about a pod.</summary>
internal static class PodFacts
{
    public static bool IsReady(JsonObject pod) => pod.Each("status", "conditions").Any(c => c.Str("type") == "Ready" && c.Str("status") == "True");

    /// <summary>Neither ended nor ending.</summary>
    public static bool IsActive(JsonObject pod) => !pod.IsDeleting() && pod.Str("status", "phase") is not ("Succeeded" or "Failed");

    public static JsonObject? ControllerOf(JsonObject item) => item.Each("metadata", "ownerReferences").FirstOrDefault(r => r.Flag("controller") == true);

    public static DateTime? ReadySince(JsonObject pod) =>
        pod.Each("status", "conditions").FirstOrDefault(c => c.Str("type") == "Ready" && c.Str("status") == "True").Time("lastTransitionTime");

    public static JsonObject OwnerReference(JsonObject owner) => new()
    {
        ["apiVersion"] = owner.Str("apiVersion"),
        ["kind"] = owner.Str("kind"),
        ["name"] = owner.Name(),
        ["uid"] = owner.Uid(),
        ["controller"] = true,
        ["blockOwnerDeletion"] = true,
    };

    /// <summary>Puts a condition; the transition time moves only when the status does. True when anything changed.</summary>
    public static bool SetCondition(JsonObject status, string type, bool value, string? reason, string? message, bool updateTime = false)
    {
        if (status["conditions"] is not JsonArray list) status["conditions"] = list = [];
        var text = value ? "True" : "False";
        var old = list.OfType<JsonObject>().FirstOrDefault(c => c.Str("type") == type);
        if (old is not null && old.Str("status") == text && old.Str("reason") == reason && old.Str("message") == message) return false;
        var condition = new JsonObject { ["type"] = type, ["status"] = text };
        if (updateTime) condition["lastUpdateTime"] = Json.Now();
        condition["lastTransitionTime"] = old is not null && old.Str("status") == text ? old.Str("lastTransitionTime") : Json.Now();
        if (reason is not null) condition["reason"] = reason;
        if (message is not null) condition["message"] = message;
        if (old is null) list.Add(condition);
        else list[list.IndexOf(old)] = condition;
        return true;
    }

    public static void DropCondition(JsonObject status, string type)
    {
        if (status["conditions"] is JsonArray list && list.OfType<JsonObject>().FirstOrDefault(c => c.Str("type") == type) is { } there) list.Remove(there);
    }
}
