using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Kubernetes resource quantities: 100m, 1.5, 64Mi, 1e3.</summary>
internal static class Quantity
{
    private static readonly (string Suffix, decimal Factor)[] Suffixes =
    [
        ("Ki", 1024m), ("Mi", 1048576m), ("Gi", 1073741824m), ("Ti", 1099511627776m), ("Pi", 1125899906842624m),
        ("n", 1e-9m), ("u", 1e-6m), ("m", 1e-3m), ("k", 1e3m), ("M", 1e6m), ("G", 1e9m), ("T", 1e12m), ("P", 1e15m),
    ];

    /// <exception cref="FormatException">Not a quantity.</exception>
    internal static decimal Parse(string text)
    {
        foreach ((string suffix, decimal factor) in Suffixes)
        {
            if (text.EndsWith(suffix, StringComparison.Ordinal))
                return decimal.Parse(text[..^suffix.Length], NumberStyles.Float, CultureInfo.InvariantCulture) * factor;
        }

        return decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
    }

    /// <summary>As resourceFieldRef gives it: in units of the divisor, rounded up.</summary>
    internal static string Divide(string quantity, string? divisor)
    {
        decimal unit = divisor is null or "0" ? 1m : Parse(divisor);
        return decimal.Ceiling(Parse(quantity) / unit).ToString("0", CultureInfo.InvariantCulture);
    }
}
