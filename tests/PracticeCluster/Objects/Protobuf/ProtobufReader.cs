using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Objects.Protobuf;

/// <summary>
/// Reads application/vnd.kubernetes.protobuf bodies into the JSON form: the four bytes "k8s\0", then a runtime.Unknown
/// (1 type: 1 apiVersion, 2 kind; 2 the object). Go clients write fields that are not pointers even when they are zero;
/// such zeroes are dropped, as JSON's omitempty would, unless the field is one where zero means something.
/// </summary>
internal static class ProtobufReader
{
    private static readonly HashSet<string> ZeroCounts = new(StringComparer.Ordinal)
    {
        "replicas", "runAsUser", "runAsGroup", "fsGroup", "terminationGracePeriodSeconds", "gracePeriodSeconds", "activeDeadlineSeconds",
        "revisionHistoryLimit", "tolerationSeconds", "expirationSeconds", "defaultMode", "mode", "allowPrivilegeEscalation", "privileged",
        "readOnlyRootFilesystem", "runAsNonRoot", "automountServiceAccountToken", "enableServiceLinks", "shareProcessNamespace", "optional",
        "immutable", "controller", "blockOwnerDeletion", "ready", "serving", "terminating", "orphanDependents",
    };

    /// <exception cref="ApiException">400 for what is not such a body.</exception>
    public static JsonObject Read(ReadOnlySpan<byte> body)
    {
        if (!body.StartsWith("k8s\0"u8)) throw Malformed();
        string version = "", kind = "";
        ReadOnlySpan<byte> raw = default;
        for (var rest = body[4..]; !rest.IsEmpty;)
        {
            var (field, _, value) = Next(ref rest, out var bytes);
            if (field == 1)
            {
                for (var type = bytes; !type.IsEmpty;)
                {
                    var (part, _, _) = Next(ref type, out var text);
                    if (part == 1) version = Encoding.UTF8.GetString(text);
                    else if (part == 2) kind = Encoding.UTF8.GetString(text);
                }
            }
            else if (field == 2) raw = bytes;
        }
        var item = Message(raw, kind);
        item["apiVersion"] = version;
        item["kind"] = kind;
        return item;
    }

    private static JsonObject Message(ReadOnlySpan<byte> bytes, string message)
    {
        var fields = MessageTable.Find(message) ?? throw ApiException.UnsupportedMediaType($"protobuf of {message}");
        var item = new JsonObject();
        while (!bytes.IsEmpty)
        {
            var (number, wire, value) = Next(ref bytes, out var inner);
            if (fields.FirstOrDefault(f => f.Number == number) is not { } field) continue;
            if (field.Map) MapEntry(item.Make(field.Name), inner, field);
            else if (field.Repeated)
            {
                if (item[field.Name] is not JsonArray list) item[field.Name] = list = [];
                list.Add(Value(field, wire, value, inner));
            }
            else if (field.Inline)
            {
                foreach (var (name, own) in Message(inner, field.Type).ToList()) item[name] = own?.DeepClone();
            }
            else if (Value(field, wire, value, inner) is { } single && !IsZero(field.Name, single)) item[field.Name] = single;
        }
        return item;
    }

    private static void MapEntry(JsonObject map, ReadOnlySpan<byte> entry, MessageField field)
    {
        var key = "";
        JsonNode? value = field.IsMessage ? new JsonObject() : "";
        while (!entry.IsEmpty)
        {
            var (number, wire, plain) = Next(ref entry, out var inner);
            if (number == 1) key = Encoding.UTF8.GetString(inner);
            else if (number == 2) value = Value(field, wire, plain, inner);
        }
        map[key] = value;
    }

    private static JsonNode? Value(MessageField field, int wire, ulong value, ReadOnlySpan<byte> inner)
    {
        if (field.IsMessage)
        {
            var message = Message(inner, field.Type);
            // A list type of its own (ExtraValue) is its list in JSON.
            return field.Type.EndsWith("ExtraValue", StringComparison.Ordinal) ? message["items"]?.DeepClone() ?? new JsonArray() : message;
        }
        return field.Type switch
        {
            "s" => Encoding.UTF8.GetString(inner),
            "y" => Convert.ToBase64String(inner),
            "i" => (long)value,
            "b" => value != 0,
            "q" => Part(inner, 1),
            "n" => IntOrString(inner),
            "t" or "u" => Time(inner, field.Type == "u"),
            "f" or "r" => Raw(inner),
            _ => null,
        };
    }

    private static string Part(ReadOnlySpan<byte> message, int field)
    {
        while (!message.IsEmpty)
        {
            var (number, _, _) = Next(ref message, out var inner);
            if (number == field) return Encoding.UTF8.GetString(inner);
        }
        return "0";
    }

    private static JsonValue? IntOrString(ReadOnlySpan<byte> message)
    {
        var (isText, number, text) = (false, 0, "");
        while (!message.IsEmpty)
        {
            var (field, _, value) = Next(ref message, out var inner);
            if (field == 1) isText = value == 1;
            else if (field == 2) number = (int)value;
            else if (field == 3) text = Encoding.UTF8.GetString(inner);
        }
        return isText ? JsonValue.Create(text) : JsonValue.Create(number);
    }

    private static JsonValue? Time(ReadOnlySpan<byte> message, bool micro)
    {
        long seconds = 0, nanos = 0;
        while (!message.IsEmpty)
        {
            var (field, _, value) = Next(ref message, out _);
            if (field == 1) seconds = (long)value;
            else if (field == 2) nanos = (long)value;
        }
        // The zero time of Go, and no time at all.
        if (seconds <= 0) return null;
        var time = DateTime.UnixEpoch.AddSeconds(seconds).AddTicks(nanos / 100);
        return JsonValue.Create(micro ? time.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture) : Json.Stamp(time));
    }

    private static JsonNode? Raw(ReadOnlySpan<byte> message)
    {
        while (!message.IsEmpty)
        {
            var (field, _, _) = Next(ref message, out var inner);
            if (field != 1) continue;
            try
            {
                return JsonNode.Parse(inner);
            }
            catch (JsonException)
            {
                throw Malformed();
            }
        }
        return null;
    }

    private static bool IsZero(string name, JsonNode value) => value is JsonValue v && !ZeroCounts.Contains(name)
        && ((v.TryGetValue(out string? s) && s.Length == 0) || (v.TryGetValue(out long l) && l == 0) || (v.TryGetValue(out bool b) && !b));

    /// <summary>Takes one field off the front: its number, wire type and, for varints and fixed ones, its value.</summary>
    private static (int Field, int Wire, ulong Value) Next(scoped ref ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> inner)
    {
        inner = default;
        var tag = Varint(ref bytes);
        var (field, wire) = ((int)(tag >> 3), (int)(tag & 7));
        switch (wire)
        {
            case 0:
                return (field, wire, Varint(ref bytes));
            case 1 when bytes.Length >= 8:
                var fixed64 = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
                bytes = bytes[8..];
                return (field, wire, fixed64);
            case 5 when bytes.Length >= 4:
                var fixed32 = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
                bytes = bytes[4..];
                return (field, wire, fixed32);
            case 2 when Varint(ref bytes) is var length && length <= (ulong)bytes.Length:
                inner = bytes[..(int)length];
                bytes = bytes[(int)length..];
                return (field, wire, 0);
            default:
                throw Malformed();
        }
    }

    private static ulong Varint(scoped ref ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (var i = 0; i < Math.Min(10, bytes.Length); i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
            if (bytes[i] >= 0x80) continue;
            bytes = bytes[(i + 1)..];
            return value;
        }
        throw Malformed();
    }

    private static ApiException Malformed() => ApiException.BadRequest("the object provided is unrecognized (must be of type protobuf with a Kubernetes envelope)");
}
