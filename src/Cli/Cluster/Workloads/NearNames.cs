namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>Which of the names that exist somebody may have meant. Pure functions.</summary>
internal static class NearNames
{
    private const int Most = 3;

    /// <summary>The nearest first: a typing error or three away, or one name inside the other.</summary>
    internal static IReadOnlyList<string> Find(string wanted, IEnumerable<string> names) =>
    [
        .. names.Select(name => (Name: name, Distance: Distance(wanted, name)))
            .Where(near => near.Distance <= Math.Max(2, wanted.Length / 4) || Contains(near.Name, wanted) || Contains(wanted, near.Name))
            .OrderBy(static near => near.Distance).ThenBy(static near => near.Name, StringComparer.Ordinal)
            .Take(Most).Select(static near => near.Name),
    ];

    /// <summary>"a", "a or b", "a, b or c".</summary>
    internal static string Join(IReadOnlyList<string> names, string word) =>
        names.Count <= 1 ? string.Concat(names) : $"{string.Join(", ", names.Take(names.Count - 1))} {word} {names[^1]}";

    /// <summary>Levenshtein's distance: how many characters must be inserted, removed or replaced.</summary>
    internal static int Distance(string from, string to)
    {
        int[] row = [.. Enumerable.Range(0, to.Length + 1)];
        for (int i = 1; i <= from.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[to.Length];
    }

    private static bool Contains(string whole, string part)
    {
        const int least = 3;
        return part.Length >= least && whole.Contains(part, StringComparison.Ordinal);
    }
}
