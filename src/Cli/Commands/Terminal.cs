using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Telepresence.Cli.Commands;

/// <summary>
/// What a verb says to the user: results to standard output, what is waited for and what went wrong to standard error; or, with
/// <c>--output json</c>, all of it as one JSON object at the end.
/// </summary>
/// <param name="verb">Name of the verb.</param>
/// <param name="json">Whether JSON was asked for.</param>
/// <param name="output">Standard output.</param>
/// <param name="error">Standard error.</param>
internal sealed class Terminal(string verb, bool json, TextWriter output, TextWriter error)
{
    private readonly StringBuilder _said = new(), _noted = new();
    private string? _failure;

    /// <summary>Whether results go to standard error, because standard output belongs to the user's own command.</summary>
    internal bool OutputIsTaken { get; init; }

    private string Name => verb.Length == 0 ? "telepresence" : $"telepresence {verb}";

    /// <summary>A result.</summary>
    internal void Say(string line)
    {
        if (json)
            _said.Append(line).Append('\n');
        else
            Write(OutputIsTaken ? error : output, Printable(line));
    }

    /// <summary>Something on the way to it.</summary>
    internal void Note(string line)
    {
        if (json)
            _noted.Append(line).Append('\n');
        else
            Write(error, Printable(line));
    }

    /// <summary>A failure; one sentence.</summary>
    internal void Fail(string sentence)
    {
        if (json)
            _failure = sentence;
        else
            Write(error, Printable($"{Name}: error: {sentence}"));
    }

    /// <summary>
    /// The text without what a terminal would obey: much of what is said comes from the cluster, which may not move this person's cursor.
    /// </summary>
    internal static string Printable(string text) => string.Concat(text.Select(static c => char.IsControl(c) && c is not ('\n' or '\t') ? '?' : c));

    /// <summary>Writes the JSON object, if that was asked for.</summary>
    internal void Finish()
    {
        if (json && !OutputIsTaken)
            Write(output, JsonSerializer.Serialize(new CommandResult(verb, Text(_said), Text(_noted), _failure), CommandJson.Default.CommandResult));
        else if (json && _failure is not null)
            Write(error, Printable($"{Name}: error: {_failure}"));
    }

    // A terminal whose window was closed takes no more text, which must not keep anything from being undone.
    private static void Write(TextWriter to, string line)
    {
        try
        {
            to.WriteLine(line);
        }
        catch (IOException)
        {
            // Nobody is there to read it.
        }
    }

    private static string? Text(StringBuilder text) => text.Length == 0 ? null : text.ToString();
}

/// <summary>What a verb that only prints text gives with <c>--output json</c>.</summary>
internal sealed record CommandResult(string Cmd, string? Stdout, string? Stderr, string? Err);

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CommandResult))]
internal sealed partial class CommandJson : JsonSerializerContext;
