using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Telepresence.Rig.Run;

/// <summary>The result for people (Markdown) and for programs (JSON).</summary>
internal static class Report
{
    private const string Ours = "telepresence";

    private static readonly (string Measure, string Figure, string Title, string Format)[] Panels =
    [
        ("bulk-down", "gigabytesPerSecond", "Download, 1 stream, GB/s", "0.00"),
        ("bulk-up", "gigabytesPerSecond", "Upload, 1 stream, GB/s", "0.00"),
        ("http-close", "perSecond", "HTTP without keep-alive, requests/s", "0"),
        ("bulk-down", "relaySecondsPerGigabyte", "CPU of the relays, s/GB (less is better)", "0.0"),
        ("round-trip", "p50", "Round trip, µs (less is better)", "0"),
        ("connect", "p50", "Connect and first byte, µs (less is better)", "0"),
    ];

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
        AppendGoals(text, result);
        foreach (Sample failed in result.Samples.Where(static sample => sample.Failure is not null))
            text.AppendLine().Append($"**Failed:** {failed.Measure}, {failed.Path}, round {failed.Round}: {failed.Failure}").AppendLine();
        return text.ToString();
    }

    /// <summary>The picture: for each kind of work a bar for each path.</summary>
    internal static string ToSvg(BenchResult result) =>
        Chart.ToSvg($"Side by side in one run, {result.Begun:d MMMM yyyy}, {result.Machine}", [.. from panel in Panels select new Panel(panel.Title, panel.Format, [.. from path in result.Paths where path != "veth" select new Bar(path, result.Median(path, panel.Measure, panel.Figure), ColourOf(path))])]);

    /// <summary>Writes all files, named after the time.</summary>
    /// <param name="result">As JSON.</param>
    /// <param name="markdown">For people.</param>
    /// <param name="svg">A picture.</param>
    /// <param name="directory">Where.</param>
    /// <param name="prefix">Of the files' names.</param>
    internal static void Write(BenchResult result, string markdown, string svg, string directory, string prefix)
    {
        Directory.CreateDirectory(directory);
        string stem = Path.Combine(directory, prefix + result.Begun.ToString("yyyy-MM-dd-HHmm", CultureInfo.InvariantCulture));
        File.WriteAllText(stem + ".md", markdown);
        File.WriteAllText(stem + ".json", JsonSerializer.Serialize(result, RigJson.Default.BenchResult));
        File.WriteAllText(stem + ".svg", svg);
        Console.Error.WriteLine($"written: {stem}.md, {stem}.json, {stem}.svg");
    }

    private static string ColourOf(string path) => path switch
    {
        Ours => Chart.OurColour,
        "stack" or "preload" or "port-forward" => Chart.PartColour,
        "loopback" or "websocket" => Chart.YardstickColour,
        _ => Chart.PeerColour,
    };

    private static void AppendGoals(StringBuilder text, BenchResult result)
    {
        (Goal Goal, double Value)[] reached = [.. from goal in Goal.All let value = goal.Value(result) where value is not null select (goal, value.Value)];
        if (reached.Length == 0)
            return;
        text.AppendLine().AppendLine("## Goals").AppendLine();
        text.AppendLine("| | measured | at least | aim | reached |").AppendLine("|---|---:|---:|---:|---|");
        foreach ((Goal goal, double value) in reached)
        {
            string sign = goal.IsLimit ? "≤ " : "≥ ";
            text.AppendLine($"| {goal.Title} | {Format(value, goal.Decimals)} | {sign}{Number(goal.AtLeast)} | {sign}{Number(goal.Aim)} | {goal.Verdict(value)} |");
        }
    }

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Format(double? value, int decimals) =>
        value is { } number ? number.ToString("F" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : "";
}
