using System.Globalization;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>Kubernetes' quantities: <c>64Mi</c>, <c>1.5G</c>, <c>100m</c>. Pure functions.</summary>
internal static class Quantity
{
    private static readonly (string Suffix, decimal Factor)[] Suffixes =
    [
        ("Ki", 1L << 10), ("Mi", 1L << 20), ("Gi", 1L << 30), ("Ti", 1L << 40), ("Pi", 1L << 50), ("Ei", 1L << 60),
        ("m", 0.001m), ("k", 1e3m), ("M", 1e6m), ("G", 1e9m), ("T", 1e12m), ("P", 1e15m), ("E", 1e18m),
    ];

    /// <summary>Reads one.</summary>
    internal static bool TryParse(string? text, out decimal value)
    {
        value = 0;
        if (string.IsNullOrEmpty(text))
            return false;
        foreach ((string suffix, decimal factor) in Suffixes)
        {
            if (!text.EndsWith(suffix, StringComparison.Ordinal))
                continue;
            if (!decimal.TryParse(text.AsSpan(0, text.Length - suffix.Length), NumberStyles.Float, CultureInfo.InvariantCulture, out value))
                return false;
            value *= factor;
            return true;
        }

        return decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>What a <c>resourceFieldRef</c> gives: the quantity in units of the divisor, rounded up.</summary>
    internal static string Divide(decimal value, string? divisor)
    {
        decimal unit = TryParse(divisor, out decimal given) && given > 0 ? given : 1;
        return decimal.Ceiling(value / unit).ToString("0", CultureInfo.InvariantCulture);
    }
}
