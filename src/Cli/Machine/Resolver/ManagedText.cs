namespace Telepresence.Cli.Machine.Resolver;

/// <summary>
/// Marks what we put into somebody's configuration file, so that it can be taken out again from the file alone, whatever else was written
/// into it since.
/// </summary>
/// <remarks>
/// Lines that we add stand between a begin and an end line; lines that we replace stay where they were, behind a prefix that makes them
/// comments.
/// </remarks>
internal static class ManagedText
{
    private const string Begin = "# telepresence begin: added while connected, removed by `telepresence quit`";
    private const string End = "# telepresence end";
    private const string Replaced = "#telepresence# ";

    /// <summary>Whether our part is in the text.</summary>
    internal static bool IsIn(string text) => text.Contains(Begin, StringComparison.Ordinal);

    /// <summary>A block of lines of ours; ends with a line feed.</summary>
    internal static string Block(params IEnumerable<string> lines) => string.Join('\n', (IEnumerable<string>)[Begin, .. lines, End]) + "\n";

    /// <summary>A line of somebody else that ours stand for.</summary>
    internal static string CommentOut(string line) => Replaced + line;

    /// <summary>The text without our part; byte for byte what it was if nobody else changed it.</summary>
    internal static string Strip(string text)
    {
        List<string> kept = [];
        bool ours = false;
        foreach (string line in text.Split('\n'))
        {
            if (line == Begin)
                ours = true;
            else if (ours)
                ours = line != End;
            else if (line.StartsWith(Replaced, StringComparison.Ordinal))
                kept.Add(line[Replaced.Length..]);
            else
                kept.Add(line);
        }

        return string.Join('\n', kept);
    }
}
