using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Objects;

/// <summary>A refusal, in the words and shape of a Kubernetes Status.</summary>
internal sealed class ApiException(int code, string reason, string message, JsonObject? details = null) : Exception(message)
{
    public int Code => code;

    public string Reason => reason;

    public JsonObject Status => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Failure",
        ["message"] = Message,
        ["reason"] = reason,
        ["details"] = details?.DeepClone(),
        ["code"] = code,
    };

    public static ApiException NotFound(ResourceType type, string name) =>
        new(404, "NotFound", $"{type.QualifiedName} \"{name}\" not found", About(type, name));

    public static ApiException NoSuchPath() =>
        new(404, "NotFound", "the server could not find the requested resource", []);

    public static ApiException AlreadyExists(ResourceType type, string name) =>
        new(409, "AlreadyExists", $"{type.QualifiedName} \"{name}\" already exists", About(type, name));

    public static ApiException Conflict(ResourceType type, string name, string? why = null) =>
        new(409, "Conflict", $"Operation cannot be fulfilled on {type.QualifiedName} \"{name}\": "
            + (why ?? "the object has been modified; please apply your changes to the latest version and try again"), About(type, name));

    public static ApiException Forbidden(ResourceType type, string name, string why) =>
        new(403, "Forbidden", $"{type.QualifiedName}{(name.Length > 0 ? $" \"{name}\"" : "")} is forbidden: {why}", About(type, name));

    public static ApiException Invalid(ResourceType type, string name, string field, string why, string cause = "FieldValueInvalid") =>
        new(422, "Invalid", $"{type.Kind} \"{name}\" is invalid: {field}: {why}", new JsonObject
        {
            ["name"] = name,
            ["group"] = type.Group,
            ["kind"] = type.Kind,
            ["causes"] = new JsonArray(new JsonObject { ["reason"] = cause, ["message"] = why, ["field"] = field }),
        });

    public static ApiException BadRequest(string message) => new(400, "BadRequest", message);

    public static ApiException Unauthorized() => new(401, "Unauthorized", "Unauthorized");

    public static ApiException MethodNotAllowed() =>
        new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", []);

    public static ApiException UnsupportedMediaType(string type) =>
        new(415, "UnsupportedMediaType", $"the body of the request was in an unknown format - accepted media types include: "
            + $"application/json, application/yaml, application/vnd.kubernetes.protobuf (not {type})", []);

    public static ApiException Expired(long asked, long oldest) =>
        new(410, "Expired", $"too old resource version: {asked} ({oldest})");

    public static ApiException Internal(string message) => new(500, "InternalError", $"Internal error occurred: {message}");

    private static JsonObject About(ResourceType type, string name)
    {
        var about = new JsonObject();
        if (name.Length > 0) about["name"] = name;
        if (type.Group.Length > 0) about["group"] = type.Group;
        about["kind"] = type.Plural;
        return about;
    }
}
