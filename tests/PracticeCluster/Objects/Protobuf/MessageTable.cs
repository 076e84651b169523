using System.Globalization;

namespace Telepresence.PracticeCluster.Objects.Protobuf;

/// <summary>One field of a message.</summary>
/// <param name="Type">One letter, or the name of a message when <paramref name="IsMessage"/>; see fields.txt.</param>
internal sealed record MessageField(int Number, string Name, string Type, bool IsMessage, bool Repeated, bool Map, bool Inline);

/// <summary>The Kubernetes messages by name, read from the embedded fields.txt.</summary>
internal static class MessageTable
{
    private static readonly Dictionary<string, IReadOnlyList<MessageField>> Messages = Read();

    public static IReadOnlyList<MessageField>? Find(string message) => Messages.GetValueOrDefault(message);

    private static Dictionary<string, IReadOnlyList<MessageField>> Read()
    {
        var messages = new Dictionary<string, IReadOnlyList<MessageField>>(StringComparer.Ordinal);
        using var stream = typeof(MessageTable).Assembly.GetManifestResourceStream("fields.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0 || line[0] == '#') continue;
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            messages[line[..colon]] = [.. line[(colon + 1)..].Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Field)];
        }
        return messages;
    }

    private static MessageField Field(string text)
    {
        var parts = text.Split(' ');
        var (name, type) = (parts[1], parts[2]);
        var bare = type.TrimStart('*', '%');
        return new MessageField(int.Parse(parts[0], CultureInfo.InvariantCulture), name.TrimStart('^'), bare.TrimStart(':'),
            bare[0] == ':', type[0] == '*', type[0] == '%', name[0] == '^');
    }
}
