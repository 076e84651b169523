using System.Runtime.InteropServices;
using System.Text.Json.Serialization;

namespace Telepresence.Rig.Run;

/// <summary>Everything that a run found out, as it is written to JSON.</summary>
internal sealed class BenchResult
{
    public DateTime Begun { get; } = DateTime.UtcNow;

    public string Machine { get; } = $"{Environment.ProcessorCount} × {ProcessorName()}";

    public string Kernel { get; } = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();

    public string Runtime { get; } = RuntimeInformation.FrameworkDescription;

    public required int Rounds { get; init; }

    public required double Seconds { get; init; }

    public required IReadOnlyList<string> Paths { get; init; }

    public List<Sample> Samples { get; } = [];

    /// <summary>Median of one figure over the rounds; null when it was never measured.</summary>
    internal double? Median(string path, string measure, string figure)
    {
        double[] values = [.. Samples.Where(sample => sample.Path == path && sample.Measure == measure && sample.Figures.ContainsKey(figure))
            .Select(sample => sample.Figures[figure]).Order()];
        return values.Length == 0 ? null : (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }

    private static string ProcessorName() => File.ReadLines("/proc/cpuinfo")
        .FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
}

/// <summary>JSON of a <see cref="BenchResult"/>; property names in camel case.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(BenchResult))]
internal sealed partial class RigJson : JsonSerializerContext;
