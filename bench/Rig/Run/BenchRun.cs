using System.Diagnostics;
using System.Globalization;

using Telepresence.Rig.Load;

namespace Telepresence.Rig.Run;

/// <summary>
/// The whole benchmark: brings up every path, then does each kind of work over each path in turn, round after round, so that whatever
/// else happens on the machine hits all of them alike; medians of the rounds are reported.
/// </summary>
internal static class BenchRun
{
    private static readonly TimeSpan VerifyTime = TimeSpan.FromSeconds(1), CalmTime = TimeSpan.FromSeconds(5);

    internal static async Task<int> RunAsync(Arguments arguments)
    {
        bool quick = arguments.Has("quick");
        int rounds = arguments.Number("rounds", quick ? 2 : 3);
        TimeSpan time = arguments.Seconds("seconds", quick ? 0.5 : 3);
        int idle = arguments.Number("idle", quick ? 1000 : 10_000);
        string[] names = arguments.Text("paths", string.Join(',', quick ? Paths.QuickNames : Paths.Names)).Split(',');
        Measure[] measures = arguments.Has("measures")
            ? [.. Measure.All.Where(measure => arguments.Text("measures").Split(',').Contains(measure.Id))]
            : Measure.All;

        await using Lab lab = new(arguments.Text("scratch"));
        await Topology.BuildServerAsync(lab);
        Paths all = new(lab, arguments.Has("baseline") ? arguments.Text("baseline") : null, measureStartUp: !arguments.Has("measures"));
        List<BenchPath> paths = [];
        foreach (string name in names)
        {
            Progress($"starting {name}");
            paths.Add(await all.StartAsync(name, paths.Count + 1));
        }

        BenchResult result = new() { Rounds = rounds, Seconds = time.TotalSeconds, Paths = names };
        NoteMemory(result, paths, "start");
        if (!arguments.Has("measures"))
            await MeasureStartUpAsync(lab, result);
        foreach ((string measure, LoadResult figures) in all.StartUp)
        {
            Sample sample = new(StartUp.Path, measure, 1, 0, figures.Figures, null);
            result.Samples.Add(sample);
            Progress($"{measure}: {Describe(sample)}");
        }

        foreach (BenchPath path in paths)
        {
            Progress($"verifying {path.Name}");
            result.Samples.Add(await SampleAsync(path, "verify", 0, async () =>
            {
                await Measure.VerifyAsync(lab, path, VerifyTime);
                return new LoadResult();
            }));
        }

        // Before the bulk: what that leaves behind would serve the connections, and they would seem to cost nothing.
        foreach (BenchPath path in paths.Where(path => idle > 0 && !path.OnlyBulk))
        {
            Sample sample = await SampleAsync(path, "idle", 1, () => IdleAsync(lab, path, path.IdleLimit is { } limit ? Math.Min(limit, idle) : idle));
            result.Samples.Add(sample);
            Progress($"idle {path.Name}: {Describe(sample)}");
        }

        for (int round = 1; round <= rounds; round++)
        {
            foreach (Measure measure in measures)
            {
                foreach (BenchPath path in paths.Where(measure.Applies))
                {
                    Sample sample = await SampleAsync(path, measure.Id, round, () => measure.RunAsync(lab, path, time));
                    result.Samples.Add(sample);
                    Progress($"{round}/{rounds} {measure.Id} {path.Name}: {Describe(sample)}");
                }
            }
        }

        NoteMemory(result, paths, "peak");
        await Task.Delay(CalmTime);
        NoteMemory(result, paths, "calm");

        string markdown = Report.ToMarkdown(result);
        Console.WriteLine(markdown);
        if (arguments.Has("results"))
            Report.Write(result, markdown, Report.ToSvg(result), arguments.Text("results"), quick ? "quick-" : "");
        return result.Samples.Any(static sample => sample.Failure is not null) ? 1 : 0;
    }

    /// <summary>The other benchmark: see <see cref="Growth"/>.</summary>
    internal static async Task<int> GrowAsync(Arguments arguments)
    {
        bool quick = arguments.Has("quick");
        int rounds = arguments.Number("rounds", quick ? 1 : 3);
        TimeSpan time = arguments.Seconds("seconds", quick ? 1 : 3);
        await using Lab lab = new(arguments.Text("scratch"));
        await Topology.BuildServerAsync(lab);
        BenchResult result = new() { Rounds = rounds, Seconds = time.TotalSeconds, Paths = [] };
        await new Growth(lab, time, arguments.Has("conditions") ? arguments.Text("conditions").Split(", ") : null).RunAsync(result, rounds, async (path, measure, round, work) =>
        {
            Sample sample = await SampleAsync(path, measure, round, work);
            Progress($"{round}/{rounds} {measure} {path.Name}: {Describe(sample)}");
            return sample;
        });
        string markdown = Growth.ToMarkdown(result);
        Console.WriteLine(markdown);
        if (arguments.Has("results"))
            Report.Write(result, markdown, Chart.ToSvg($"When there is more of something, {result.Begun:d MMMM yyyy}, {result.Machine}", Growth.Panels(result)), arguments.Text("results"), quick ? "quick-growth-" : "growth-");
        return result.Samples.Any(static sample => sample.Failure is not null) ? 1 : 0;
    }

    // How long the connections take to open, and what each costs the relays' memory while nothing happens on it.
    private static async Task<LoadResult> IdleAsync(Lab lab, BenchPath path, int count)
    {
        // What its start and the checks have left behind is given back, or the connections would live in it and seem to cost nothing.
        if (!path.IsRaw)
            await Task.Delay(CalmTime);
        double before = ProcessTable.Read().MegabytesOf(path.Relays);
        string[] command = Measure.Command(path, "idle", "--count", count.ToString(CultureInfo.InvariantCulture));
        Process load = lab.Start($"idle-{path.Name}", command, path.Environment);
        try
        {
            LoadResult result = LoadResult.FromJson(await lab.ExpectAsync(load, "{"));
            await Task.Delay(TimeSpan.FromSeconds(1));
            if (!path.IsRaw)
                result.With("kilobytesPerConnection", (ProcessTable.Read().MegabytesOf(path.Relays) - before) * 1024 / count);
            return result.With("perSecond", count / result.Figures["seconds"]);
        }
        finally
        {
            // One that has not come to its end would go on, beside all that is measured after it.
            await lab.EndAsync([load]);
        }
    }

    private static async Task MeasureStartUpAsync(Lab lab, BenchResult result)
    {
        string program = Path.Combine(Paths.Repository, "out/telepresence/telepresence"), home = lab.PathOf("home");
        Directory.CreateDirectory(home);
        foreach ((string measure, string[] words) in StartUp.All)
        {
            Sample sample = await SampleAsync(new BenchPath { Name = StartUp.Path, Namespace = Topology.Server }, measure, 1, () => StartUp.MeasureAsync(program, home, words));
            result.Samples.Add(sample);
            Progress($"{measure}: {Describe(sample)}");
        }
    }

    private static void NoteMemory(BenchResult result, IEnumerable<BenchPath> paths, string when)
    {
        ProcessTable table = ProcessTable.Read();
        foreach (BenchPath path in paths.Where(static path => !path.IsRaw))
        {
            Dictionary<string, double> figures = new()
            {
                ["megabytes"] = when == "peak" ? table.PeakMegabytesOf(path.Relays) : table.MegabytesOf(path.Relays),
            };
            foreach (int relay in path.Relays)
                figures[$"process{figures.Count}"] = when == "peak" ? table.PeakMegabytesOf([relay]) : table.MegabytesOf([relay]);
            result.Samples.Add(new Sample(path.Name, $"memory-{when}", 1, 0, figures, null));
        }
    }

    private static async Task<Sample> SampleAsync(BenchPath path, string measure, int round, Func<Task<LoadResult>> work)
    {
        ProcessTable before = ProcessTable.Read();
        long begin = Stopwatch.GetTimestamp();
        LoadResult result = new();
        string? failure = null;
        try
        {
            result = await work();
        }
        catch (Exception fault) when (fault is IOException or InvalidDataException)
        {
            failure = fault.Message;
            Progress($"{measure} {path.Name}: {failure}");
        }

        ProcessTable after = ProcessTable.Read();
        double available = Stopwatch.GetElapsedTime(begin).TotalSeconds * Environment.ProcessorCount;
        double foreign = (after.MachineSeconds - before.MachineSeconds - (after.OwnSeconds - before.OwnSeconds)) / available;
        return new Sample(path.Name, measure, round, Math.Clamp(foreign, 0, 1), result.Figures, failure);
    }

    private static string Describe(Sample sample) => sample.Failure is not null
        ? "failed"
        : string.Join(", ", sample.Figures.Select(static figure => $"{figure.Key} {figure.Value.ToString("0.###", CultureInfo.InvariantCulture)}"))
            + $" (others {sample.Foreign.ToString("P0", CultureInfo.InvariantCulture)})";

    private static void Progress(string line) => Console.Error.WriteLine(line);
}
