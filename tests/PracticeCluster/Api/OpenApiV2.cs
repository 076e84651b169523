using System.Text;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api;

/// <summary>
/// The OpenAPI v2 document in its protobuf form, which older clients insist on. It has paths with the dryRun parameter and
/// the kind of each PATCH, so that `--dry-run=server` is known to work, and no schemas, so that clients do not validate.
/// Field numbers are those of the gnostic OpenAPI v2 message set.
/// </summary>
internal static class OpenApiV2
{
    public static byte[] Document { get; } = Make();

    private static byte[] Make()
    {
        var paths = new Message();
        foreach (var type in ResourceTypes.All.Where(t => !t.Virtual))
        {
            var root = type.Group.Length == 0 ? "/api/v1" : $"/apis/{type.Group}/{type.Version}";
            var path = type.Namespaced ? $"{root}/namespaces/{{namespace}}/{type.Plural}/{{name}}" : $"{root}/{type.Plural}/{{name}}";
            // PathItem.patch = 8, Operation.parameters = 8, Operation.vendor_extension = 13.
            var query = new Message().Put(4, "dryRun").Put(2, "query").Put(6, "string");
            var parameter = new Message().Put(1, new Message().Put(2, new Message().Put(3, query)));
            var kind = $"group: \"{type.Group}\"\nversion: {type.Version}\nkind: {type.Kind}\n";
            var extension = new Message().Put(1, "x-kubernetes-group-version-kind").Put(2, new Message().Put(2, kind));
            var operation = new Message().Put(8, parameter).Put(13, extension);
            paths.Put(2, new Message().Put(1, path).Put(2, new Message().Put(8, operation)));
        }
        var info = new Message().Put(1, "Kubernetes").Put(2, "v1.32.0");
        // Document.swagger = 1, info = 2, paths = 8.
        return new Message().Put(1, "2.0").Put(2, info).Put(8, paths).Bytes;
    }

    /// <summary>A protobuf message of length-delimited fields.</summary>
    private sealed class Message
    {
        private readonly MemoryStream _bytes = new();

        public byte[] Bytes => _bytes.ToArray();

        public Message Put(int field, string value) => Put(field, Encoding.UTF8.GetBytes(value));

        public Message Put(int field, Message value) => Put(field, value.Bytes);

        private Message Put(int field, byte[] value)
        {
            Varint((field << 3) | 2);
            Varint(value.Length);
            _bytes.Write(value);
            return this;
        }

        private void Varint(int value)
        {
            for (; value > 0x7F; value >>= 7) _bytes.WriteByte((byte)(value | 0x80));
            _bytes.WriteByte((byte)value);
        }
    }
}
