using System.Diagnostics;
using System.Globalization;
using System.Text;

using Telepresence.Rig.Load;

namespace Telepresence.Rig.Run;

/// <summary>What becomes of us when there is more of something: connections, distance, slow readers, lost links.</summary>
/// <remarks>
/// A condition is a path of its own and stands in the samples as such. The same work as in <see cref="Measure"/>, round after round over all
/// conditions.
/// </remarks>
/// <param name="lab">Where.</param>
/// <param name="time">How long each measurement takes.</param>
/// <param name="wanted">Names of the conditions; null for all.</param>
internal sealed class Growth(Lab lab, TimeSpan time, string[]? wanted)
{
    private const int FirstRelayPort = 7900;

    private static readonly (string Title, string Measure, string Figure, int Decimals)[] Columns =
    [
        ("up, GB/s", "bulk-up", "gigabytesPerSecond", 3),
        ("down, GB/s", "bulk-down", "gigabytesPerSecond", 3),
        ("relays up, s/GB", "bulk-up", "relaySecondsPerGigabyte", 2),
        ("relays down, s/GB", "bulk-down", "relaySecondsPerGigabyte", 2),
        ("round trip p50, µs", "round-trip", "p50", 0),
        ("round trip p99, µs", "round-trip", "p99", 0),
        ("connect p50, µs", "connect", "p50", 0),
        ("resident, both, MB", "memory", "megabytes", 0),
    ];

    private static readonly string[] Work = ["bulk-up", "bulk-down", "round-trip", "connect"];

    private int _number;

    /// <summary>Measures everything.</summary>
    /// <param name="result">Gets the samples.</param>
    /// <param name="rounds">How often.</param>
    /// <param name="sample">Takes one.</param>
    internal async Task RunAsync(BenchResult result, int rounds, Func<BenchPath, string, int, Func<Task<LoadResult>>, Task<Sample>> sample)
    {
        await foreach (Condition condition in ConditionsAsync())
        {
            Process? beside = condition.Beside is { } load ? lab.Start($"beside-{_number}", load, condition.Path.Environment) : null;
            if (beside is not null)
                await lab.ExpectAsync(beside, condition.BesideSays);
            for (int round = 1; round <= rounds; round++)
            {
                foreach (Measure measure in Measure.All.Where(static measure => Work.Contains(measure.Id)))
                    result.Samples.Add(await sample(condition.Path, measure.Id, round, () => measure.RunAsync(lab, condition.Path, time)));
            }

            // Bytes are compared where they could be lost.
            if (condition.Verifies)
                result.Samples.Add(await sample(condition.Path, "verify", 1, () => VerifyAsync(condition.Path)));
            result.Samples.Add(await sample(condition.Path, "memory", 1, () => Task.FromResult(new LoadResult().With("megabytes", ProcessTable.Read().MegabytesOf(condition.Path.Relays)))));
            beside?.StandardInput.Close();
            await lab.EndAsync([.. beside is null ? Array.Empty<Process>() : [beside], .. condition.Processes]);
        }
    }

    internal static string ToMarkdown(BenchResult result)
    {
        StringBuilder text = new();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Growth: {result.Begun:yyyy-MM-dd HH:mm} UTC, {result.Machine}, kernel {result.Kernel}, {result.Runtime}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Medians of {result.Rounds} rounds of {result.Seconds} s.").AppendLine();
        text.AppendLine($"| | {string.Join(" | ", Columns.Select(static column => column.Title))} | others' CPU |");
        text.AppendLine($"|---|{string.Concat(Columns.Select(static _ => "---:|"))}---:|");
        foreach (string path in Names(result))
        {
            text.Append($"| {path} |");
            foreach ((_, string measure, string figure, int decimals) in Columns)
                text.Append($" {result.Median(path, measure, figure)?.ToString($"F{decimals}", CultureInfo.InvariantCulture)} |");
            double[] foreign = [.. result.Samples.Where(sample => sample.Path == path).Select(static sample => sample.Foreign).Order()];
            text.AppendLine(CultureInfo.InvariantCulture, $" {foreign[foreign.Length / 2]:P0} |");
        }

        foreach (Sample failed in result.Samples.Where(static sample => sample.Failure is not null))
            text.AppendLine().AppendLine($"**Failed:** {failed.Measure}, {failed.Path}, round {failed.Round}: {failed.Failure}");
        return text.ToString();
    }

    internal static IReadOnlyList<Panel> Panels(BenchResult result) =>
    [
        .. Columns.Where(static column => column.Figure is "gigabytesPerSecond" or "p50" or "megabytes").Select(column => new Panel(
            column.Title,
            column.Decimals > 1 ? "0.00" : "0",
            [.. Names(result).Select(path => new Bar(path, result.Median(path, column.Measure, column.Figure), Chart.OurColour))])),
    ];

    private static string[] Names(BenchResult result) => [.. result.Samples.Select(static sample => sample.Path).Distinct()];

    private async IAsyncEnumerable<Condition> ConditionsAsync()
    {
        foreach (int count in (int[])[1, 10, 100, 1000, 10_000])
        {
            if (!IsWanted($"{count} open"))
                continue;
            (BenchPath path, Process[] processes) = await StartAsync($"{count} open", relay: null);
            yield return new Condition(path, processes) { Beside = Measure.Command(path, "idle", "--count", $"{count}"), BesideSays = "{" };
        }

        foreach (int readers in (int[])[1, 8])
        {
            if (!IsWanted($"{readers} slow readers"))
                continue;
            (BenchPath path, Process[] processes) = await StartAsync($"{readers} slow readers", relay: null);
            yield return new Condition(path, processes) { Beside = Measure.Command(path, "slow", "--readers", $"{readers}"), BesideSays = "ready" };
        }

        foreach ((string name, string[] options) in ((string, string[])[])
        [
            ("0 ms", []), ("20 ms", ["--delay", "0.010"]), ("100 ms", ["--delay", "0.050"]),
            ("20 ms, 12.5 MB/s", ["--delay", "0.010", "--rate", "12500000"]),
            ("cut every second", ["--cut", "1"]), ("20 ms, cut every 2 s", ["--delay", "0.010", "--cut", "2"]),
        ])
        {
            if (!IsWanted(name))
                continue;
            (BenchPath path, Process[] processes) = await StartAsync(name, options);
            yield return new Condition(path, processes) { Verifies = options.Contains("--cut") };
        }
    }

    private bool IsWanted(string name) => wanted is null || wanted.Contains(name);

    private async Task<(BenchPath Path, Process[] Processes)> StartAsync(string name, string[]? relay)
    {
        int number = ++_number, proxyPort = Paths.FirstProxyPort + number;
        int? linkPort = null;
        (string netns, _) = await Topology.AddAppAsync(lab, number);
        List<Process> processes = [];
        if (relay is not null)
        {
            linkPort = FirstRelayPort + number;
            Process between = lab.Start($"relay-{number}", Lab.In(Topology.Server, Lab.Self(["relay", "--listen", $"{linkPort}", "--to", $"{proxyPort}", .. relay])));
            await lab.ExpectAsync(between, "ready");
            processes.Add(between);
        }

        (BenchPath path, Process[] own) = await Paths.StartTelepresenceAsync(lab, $"telepresence-{number}", netns, Paths.Repository, proxyPort, linkPort);
        return (path with { Name = name }, [.. own, .. processes]);
    }

    private async Task<LoadResult> VerifyAsync(BenchPath path)
    {
        await Measure.VerifyAsync(lab, path, time * 2);
        return new LoadResult();
    }

    private sealed record Condition(BenchPath Path, IReadOnlyList<Process> Processes)
    {
        /// <summary>What runs beside the work; null for nothing.</summary>
        internal string[]? Beside { get; init; }

        /// <summary>Says that it runs.</summary>
        internal string BesideSays { get; init; } = "";

        internal bool Verifies { get; init; }
    }
}
