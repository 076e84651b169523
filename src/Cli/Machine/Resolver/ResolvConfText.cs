using System.Net;

namespace Telepresence.Cli.Machine.Resolver;

/// <summary>Puts our name server and search list into the text of a resolv.conf, and reads what was there before.</summary>
/// <remarks>
/// Our server comes first and the others stay behind it, so that a machine whose daemon died still has names. The C library takes only
/// the last search list and the first three servers, and with <c>rotate</c> any of them: lines that would work against ours are commented
/// out and their content, as far as it does no harm, repeated in our block.
/// </remarks>
internal static class ResolvConfText
{
    // The resolver in glibc before 2.26, musl and others take no more than this.
    private const int MaxSearchLength = 255;

    /// <summary>The text with our part in it.</summary>
    /// <param name="original">Text without our part.</param>
    /// <param name="servers">Our name servers' addresses.</param>
    /// <param name="search">Search domains to put in front of the machine's own.</param>
    internal static string Add(string original, IEnumerable<IPAddress> servers, IReadOnlyList<string> search)
    {
        List<string> kept = [];
        List<string> options = [];
        IReadOnlyList<string> ownSearch = [];
        foreach (string line in original.Split('\n'))
        {
            string[] words = Words(line);
            switch (words)
            {
                case ["search" or "domain", _, ..]:
                    ownSearch = words[1..];
                    kept.Add(ManagedText.CommentOut(line));
                    break;
                case ["options", ..] when words.Contains("rotate"):
                    options.Add(string.Join(' ', words.Where(static word => word != "rotate")));
                    kept.Add(ManagedText.CommentOut(line));
                    break;
                default:
                    kept.Add(line);
                    break;
            }
        }

        List<string> ours = [.. servers.Select(static server => $"nameserver {server}")];
        string searchLine = SearchLine(search, ownSearch);
        if (searchLine.Length > 0)
            ours.Add(searchLine);
        ours.AddRange(options.Where(static line => line != "options"));
        return ManagedText.Block(ours) + string.Join('\n', kept);
    }

    /// <summary>Name servers of a text, in order; scope of link-local addresses included.</summary>
    internal static IReadOnlyList<IPAddress> Servers(string text)
    {
        List<IPAddress> servers = [];
        foreach (string line in text.Split('\n'))
        {
            if (Words(line) is ["nameserver", string value, ..] && IPAddress.TryParse(value, out IPAddress? address))
                servers.Add(address);
        }

        return servers;
    }

    /// <summary>Search list of a text: the last line that gives one.</summary>
    internal static IReadOnlyList<string> Search(string text)
    {
        IReadOnlyList<string> search = [];
        foreach (string line in text.Split('\n'))
        {
            if (Words(line) is ["search" or "domain", _, ..] words)
                search = [.. words[1..].Select(static word => word.TrimEnd('.')).Where(static word => word.Length > 0)];
        }

        return search;
    }

    private static string SearchLine(IReadOnlyList<string> ours, IReadOnlyList<string> own)
    {
        string line = "search";
        foreach (string domain in ours.Concat(own).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            if (line.Length + 1 + domain.Length > MaxSearchLength)
                break;
            line += " " + domain;
        }

        return line == "search" ? "" : line;
    }

    // Comments begin with '#' or ';', at the start of a line or behind a blank.
    private static string[] Words(string line) =>
        [.. line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries).TakeWhile(static word => word[0] is not ('#' or ';'))];
}
