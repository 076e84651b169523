using System.Globalization;

namespace Telepresence.Rig;

/// <summary>What follows the verb on the command line: <c>--name value</c> pairs, and flags without a value.</summary>
/// <remarks>These verbs are typed by the runner, not by people; a missing argument is a bug there.</remarks>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = [];

    internal Arguments(ReadOnlySpan<string> words)
    {
        for (int i = 0; i < words.Length; i++)
        {
            if (!words[i].StartsWith("--", StringComparison.Ordinal))
                throw new ArgumentException($"'{words[i]}' is no option.");
            bool hasValue = i + 1 < words.Length && !words[i + 1].StartsWith("--", StringComparison.Ordinal);
            _values[words[i][2..]] = hasValue ? words[++i] : "";
        }
    }

    internal bool Has(string name) => _values.ContainsKey(name);

    internal string Text(string name) => _values.TryGetValue(name, out string? value) ? value : throw new ArgumentException($"--{name} is missing.");

    internal string Text(string name, string otherwise) => _values.GetValueOrDefault(name, otherwise);

    internal int Number(string name, int otherwise) => Has(name) ? int.Parse(_values[name], CultureInfo.InvariantCulture) : otherwise;

    internal TimeSpan Seconds(string name, double otherwise) =>
        TimeSpan.FromSeconds(Has(name) ? double.Parse(_values[name], CultureInfo.InvariantCulture) : otherwise);
}
