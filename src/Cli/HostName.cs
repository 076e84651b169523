namespace Telepresence.Cli;

/// <summary>What may stand in a command line, a configuration file or a rule as a host's or domain's name.</summary>
internal static class HostName
{
    private const int LongestName = 253, LongestLabel = 63;

    /// <summary>Whether <paramref name="text"/> is a name of letters, digits, hyphens and underscores (RFC 1123, RFC 8553), with or without the root's dot.</summary>
    internal static bool IsValid(string text)
    {
        string name = text.EndsWith('.') ? text[..^1] : text;
        return name.Length is > 0 and <= LongestName && name.Split('.').All(static label =>
            label.Length is > 0 and <= LongestLabel
            && label.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            && label[0] != '-' && label[^1] != '-');
    }
}
