namespace Telepresence.Cli.Machine.Resolver;

/// <summary>
/// The hosts line of nsswitch.conf. With <c>mdns4_minimal [NOTFOUND=return] dns</c> multicast DNS claims every name that ends in
/// <c>.local</c>, the cluster's among them: what no printer answers to is declared missing before DNS is asked. (nss-mdns before 0.13, or
/// any with <c>.local</c> in /etc/mdns.allow; newer ones claim only names of two labels.) DNS is then put in front of it; names that DNS
/// does not know still go to multicast DNS.
/// </summary>
internal static class NsswitchText
{
    /// <summary>The text with the hosts line changed, or null if nothing stands in the way.</summary>
    internal static string? Change(string original)
    {
        string[] lines = original.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string content = lines[i].Split('#')[0];
            if (!content.TrimStart().StartsWith("hosts:", StringComparison.Ordinal))
                continue;
            string[] words = content.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            int claimant = Claimant(words);
            if (claimant < 0)
                return null;
            string changed = string.Join(' ', [.. words[..claimant], "dns", .. words[claimant..]]);
            lines[i] = ManagedText.CommentOut(lines[i]) + "\n" + ManagedText.Block(changed).TrimEnd('\n');
            return string.Join('\n', lines);
        }

        return null;
    }

    /// <summary>Whether host names are looked up through systemd-resolved before anything else that knows DNS.</summary>
    internal static bool UsesResolved(string text)
    {
        foreach (string line in text.Split('\n'))
        {
            string content = line.Split('#')[0];
            if (!content.TrimStart().StartsWith("hosts:", StringComparison.Ordinal))
                continue;
            foreach (string word in content.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries))
            {
                if (word is "resolve" or "dns")
                    return word == "resolve";
            }
        }

        return false;
    }

    /// <summary>Index of an mdns service that ends the search and precedes DNS; -1 if there is none.</summary>
    private static int Claimant(string[] words)
    {
        for (int i = 1; i < words.Length && words[i] is not ("dns" or "resolve"); i++)
        {
            if (!words[i].StartsWith("mdns", StringComparison.Ordinal))
                continue;
            string actions = string.Join(' ', words.Skip(i + 1).TakeWhile(static word => word.StartsWith('[') || word.EndsWith(']') || word.Contains('=', StringComparison.Ordinal)));
            if (actions.Contains("NOTFOUND=return", StringComparison.OrdinalIgnoreCase) || actions.Contains('!'))
                return i;
        }

        return -1;
    }
}
