using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Telepresence.Cli.Launch.Variables;

/// <summary>The pod's environment in the forms that shells, containers and editors read.</summary>
internal static class EnvironmentFormat
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The names that <c>telepresence env --format</c> takes.</summary>
    internal static readonly string[] Names = ["sh", "json", "docker", "vscode"];

    /// <summary>Formats variables.</summary>
    /// <param name="format">One of <see cref="Names"/>.</param>
    /// <param name="variables">Names and values.</param>
    /// <param name="left">Names that this form cannot express.</param>
    internal static string Format(string format, IReadOnlyDictionary<string, string> variables, out IReadOnlyList<string> left)
    {
        IEnumerable<KeyValuePair<string, string>> sorted = variables.OrderBy(static variable => variable.Key, StringComparer.Ordinal);
        left = [];
        switch (format)
        {
            case "sh":
                left = [.. sorted.Select(static variable => variable.Key).Where(static name => !IsShellName(name))];
                return string.Concat(sorted.Where(static variable => IsShellName(variable.Key)).Select(static variable => $"export {variable.Key}={Quote(variable.Value)}\n"));
            case "docker":
                // docker takes each line as it is, without quotes and escapes.
                left = [.. sorted.Where(static variable => variable.Value.AsSpan().ContainsAny('\n', '\r')).Select(static variable => variable.Key)];
                return string.Concat(sorted.Where(static variable => !variable.Value.AsSpan().ContainsAny('\n', '\r')).Select(static variable => $"{variable.Key}={variable.Value}\n"));
            case "vscode":
                return Json(sorted, "env");
            default:
                return Json(sorted, property: null);
        }
    }

    /// <summary>A word that a POSIX shell reads as <paramref name="value"/>, line breaks and all.</summary>
    internal static string Quote(string value) => $"'{value.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static bool IsShellName(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static string Json(IEnumerable<KeyValuePair<string, string>> variables, string? property)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes, Indented))
        {
            writer.WriteStartObject();
            if (property is not null)
                writer.WriteStartObject(property);
            foreach ((string name, string value) in variables)
                writer.WriteString(name, value);
            if (property is not null)
                writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.ToArray()) + "\n";
    }
}
