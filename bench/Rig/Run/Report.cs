using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Telepresence.Rig.Run;

/// <summary>The result for people (Markdown) and for programs (JSON).</summary>
internal static class Report
{
    private const string Ours = "telepresence";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    internal static string ToMarkdown(BenchResult result)
    {
        StringBuilder text = new();
        string yardstick = result.Paths.Contains("baseline") ? "baseline" : "loopback";
        bool ratio = result.Paths.Contains(yardstick) && result.Paths.Contains(Ours);
        text.AppendLine(CultureInfo.InvariantCulture, $"# {result.Begun:yyyy-MM-dd HH:mm} UTC, {result.Machine}, kernel {result.Kernel}, {result.Runtime}");
        text.AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Medians of {result.Rounds} rounds of {result.Seconds} s, interleaved; cubic everywhere. Compare within a row only.");
        text.AppendLine();
        string[] heads = [.. result.Paths, .. ratio ? [$"{Ours} ÷ {yardstick}"] : Array.Empty<string>()];
        text.AppendLine($"| | {string.Join(" | ", heads)} |");
        text.AppendLine($"|---|{string.Concat(heads.Select(static _ => "---:|"))}");
        foreach (Row row in Row.All)
        {
            double?[] values = [.. result.Paths.Select(path => result.Median(path, row.Measure, row.Figure))];
            if (values.All(static value => value is null))
                continue;
            text.Append($"| {row.Title} |");
            foreach (double? value in values)
                text.Append($" {Format(value, row.Decimals)} |");
            if (ratio)
                text.Append($" {(row.IsRatio || yardstick == "baseline" ? Format(result.Median(Ours, row.Measure, row.Figure) / result.Median(yardstick, row.Measure, row.Figure), 2) : "")} |");
            text.AppendLine();
        }

        text.Append("| share of CPU that others took, median / largest |");
        foreach (string path in result.Paths)
        {
            double[] foreign = [.. result.Samples.Where(sample => sample.Path == path && sample.Round > 0 && !sample.Measure.StartsWith("memory", StringComparison.Ordinal))
                .Select(static sample => sample.Foreign).Order()];
            text.Append(foreign.Length == 0 ? " |" : string.Create(CultureInfo.InvariantCulture, $" {foreign[foreign.Length / 2]:P0} / {foreign[^1]:P0} |"));
        }

        text.AppendLine(ratio ? " |" : "");
        foreach (Sample failed in result.Samples.Where(static sample => sample.Failure is not null))
            text.AppendLine().Append($"**Failed:** {failed.Measure}, {failed.Path}, round {failed.Round}: {failed.Failure}").AppendLine();
        return text.ToString();
    }

    /// <summary>Writes both files, named after the time.</summary>
    internal static void Write(BenchResult result, string markdown, string directory, bool quick)
    {
        Directory.CreateDirectory(directory);
        string stem = Path.Combine(directory, (quick ? "quick-" : "") + result.Begun.ToString("yyyy-MM-dd-HHmm", CultureInfo.InvariantCulture));
        File.WriteAllText(stem + ".md", markdown);
        File.WriteAllText(stem + ".json", JsonSerializer.Serialize(result, Json));
        Console.Error.WriteLine($"written: {stem}.md, {stem}.json");
    }

    private static string Format(double? value, int decimals) =>
        value is { } number ? number.ToString("F" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : "";
}
