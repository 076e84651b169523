using System.Globalization;
using System.Numerics;

namespace Telepresence.PracticeCluster.Objects;

/// <summary>A Kubernetes resource quantity (100m, 1.5Gi, 2e3) as an exact count of billionths.</summary>
internal readonly record struct Quantity(BigInteger Nanos) : IComparable<Quantity>
{
    private static readonly (string Suffix, BigInteger Nanos)[] Suffixes =
    [
        ("Ki", Power(1024, 1)), ("Mi", Power(1024, 2)), ("Gi", Power(1024, 3)),
        ("Ti", Power(1024, 4)), ("Pi", Power(1024, 5)), ("Ei", Power(1024, 6)),
        ("n", 1), ("u", 1_000), ("m", 1_000_000),
        ("k", Power(1000, 1)), ("M", Power(1000, 2)), ("G", Power(1000, 3)),
        ("T", Power(1000, 4)), ("P", Power(1000, 5)), ("E", Power(1000, 6)),
    ];

    public static Quantity Zero => default;

    public static Quantity Of(long whole) => new(whole * Power(10, 0));

    public static bool TryParse(string? text, out Quantity value)
    {
        value = default;
        if (string.IsNullOrEmpty(text)) return false;
        var unit = Power(10, 0);
        var number = text;
        foreach (var (suffix, nanos) in Suffixes)
        {
            if (!text.EndsWith(suffix, StringComparison.Ordinal)) continue;
            (unit, number) = (nanos, text[..^suffix.Length]);
            break;
        }
        if (!decimal.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out var d)) return false;
        // A decimal is an integer over a power of ten: stay exact, round up what is below a nano.
        var scale = BigInteger.Pow(10, d.Scale);
        var scaled = new BigInteger(d * (decimal)scale) * unit;
        value = new Quantity(BigInteger.DivRem(scaled, scale, out var rest) + (rest > 0 ? 1 : 0));
        return true;
    }

    public static Quantity operator +(Quantity a, Quantity b) => new(a.Nanos + b.Nanos);

    public static bool operator <(Quantity a, Quantity b) => a.Nanos < b.Nanos;

    public static bool operator >(Quantity a, Quantity b) => a.Nanos > b.Nanos;

    public int CompareTo(Quantity other) => Nanos.CompareTo(other.Nanos);

    /// <summary>Canonical text: whole numbers as they are, fractions in m, u or n.</summary>
    public override string ToString()
    {
        var whole = Power(10, 0);
        if ((Nanos % whole).IsZero)
        {
            var n = Nanos / whole;
            foreach (var (suffix, unit) in Suffixes.Take(6).Reverse())
            {
                if (!n.IsZero && (Nanos % unit).IsZero) return $"{Nanos / unit}{suffix}";
            }
            return n.ToString(CultureInfo.InvariantCulture);
        }
        if ((Nanos % 1_000_000).IsZero) return $"{Nanos / 1_000_000}m";
        return (Nanos % 1_000).IsZero ? $"{Nanos / 1_000}u" : $"{Nanos}n";
    }

    private static BigInteger Power(int radix, int exponent) => BigInteger.Pow(radix, exponent) * 1_000_000_000;
}
