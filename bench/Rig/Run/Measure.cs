using System.Diagnostics;
using System.Globalization;

using Telepresence.Rig.Load;

namespace Telepresence.Rig.Run;

/// <summary>One kind of work, done over each path in turn.</summary>
/// <param name="Id">For <c>--measures</c> and the JSON.</param>
/// <param name="Applies">Which paths can do it.</param>
/// <param name="RunAsync">Does it once, for about the given time.</param>
internal sealed record Measure(string Id, Func<BenchPath, bool> Applies, Func<Lab, BenchPath, TimeSpan, Task<LoadResult>> RunAsync)
{
    /// <summary>Everything that is repeated in each round.</summary>
    internal static readonly Measure[] All =
    [
        new("bulk-up", Always, static (lab, path, time) => BulkAsync(lab, path, time, "--streams", "1")),
        new("bulk-down", Always, static (lab, path, time) => BulkAsync(lab, path, time, "--streams", "1", "--down")),
        new("bulk-up-8", Always, static (lab, path, time) => BulkAsync(lab, path, time, "--streams", "8")),
        new("bulk-down-8", Always, static (lab, path, time) => BulkAsync(lab, path, time, "--streams", "8", "--down")),
        new("round-trip", CarriesAll, static (lab, path, time) => LoadAsync(lab, path, time, "roundtrip")),
        new("round-trip-awake", CarriesAll, AwakeAsync),
        new("round-trip-during-up", CarriesAll, static (lab, path, time) => DuringBulkAsync(lab, path, time)),
        new("round-trip-during-down", CarriesAll, static (lab, path, time) => DuringBulkAsync(lab, path, time, "--down")),
        new("connect", CarriesAll, static (lab, path, time) => LoadAsync(lab, path, time, "connect")),
        new("connect-16", CarriesAll, static (lab, path, time) => LoadAsync(lab, path, time, "connect", "--threads", "16")),
        new("http-close", CarriesAll, HttpAsync),
        new("dns", static path => path.Dns is not null, static (lab, path, time) => DnsAsync(lab, path, time, 0)),
        new("dns-cached", static path => path.CachesDns, static (lab, path, time) => DnsAsync(lab, path, time, 100)),
    ];

    /// <summary>Every byte compared, in both directions at once, before anything is timed; it also lets the compilers finish.</summary>
    internal static async Task VerifyAsync(Lab lab, BenchPath path, TimeSpan time)
    {
        await Task.WhenAll(
            BulkAsync(lab, path, time, "--streams", "4", "--verify"),
            BulkAsync(lab, path, time, "--streams", "4", "--verify", "--down"));
        if (path.OnlyBulk)
            return;
        await LoadAsync(lab, path, time, "connect", "--threads", "4");
        if (path.Dns is not null)
            await DnsAsync(lab, path, time, 0);
    }

    /// <summary>A load generator on a path.</summary>
    internal static string[] Command(BenchPath path, string verb, params ReadOnlySpan<string> options) =>
        [.. path.Enter, .. path.Wrapper, .. Lab.Self([verb, "--to", verb == "dns" ? path.Dns!.ToString() : path.Target, .. path.Options, .. options])];

    private static bool Always(BenchPath path) => true;

    private static bool CarriesAll(BenchPath path) => !path.OnlyBulk;

    private static async Task<LoadResult> LoadAsync(Lab lab, BenchPath path, TimeSpan time, string verb, params string[] options)
    {
        string[] command = Command(path, verb, [.. options, "--seconds", Text(time)]);
        string output = await lab.RunAsync(command, time + TimeSpan.FromSeconds(30), path.Environment);
        return LoadResult.FromJson(output.Trim().Split('\n')[^1]);
    }

    private static async Task<LoadResult> BulkAsync(Lab lab, BenchPath path, TimeSpan time, params string[] options)
    {
        ProcessTable before = ProcessTable.Read();
        LoadResult result = await LoadAsync(lab, path, time, "bulk", options);
        ProcessTable after = ProcessTable.Read();
        double gigabytes = result.Figures["gigabytes"];
        if (!path.IsRaw)
            result.With("relaySecondsPerGigabyte", (after.SecondsOf(path.Relays) - before.SecondsOf(path.Relays)) / gigabytes);
        return result.With("allSecondsPerGigabyte", (after.OwnSeconds - before.OwnSeconds) / gigabytes);
    }

    private static async Task<LoadResult> DuringBulkAsync(Lab lab, BenchPath path, TimeSpan time, params string[] direction)
    {
        TimeSpan start = TimeSpan.FromMilliseconds(500);
        Task<LoadResult> bulk = BulkAsync(lab, path, time + 2 * start + start, direction);
        await Task.Delay(start);
        LoadResult result = await LoadAsync(lab, path, time, "roundtrip");
        return result.With("gigabytesPerSecond", (await bulk).Figures["gigabytesPerSecond"]);
    }

    // A virtual processor that sleeps takes its time to wake up, several times on each way. Spinners that give way to everybody else keep it awake.
    private static async Task<LoadResult> AwakeAsync(Lab lab, BenchPath path, TimeSpan time)
    {
        Process[] spinners = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(static _ => Process.Start("chrt", ["--idle", "0", "sh", "-c", "while :; do :; done"]))];
        try
        {
            return await LoadAsync(lab, path, time, "roundtrip");
        }
        finally
        {
            foreach (Process spinner in spinners)
            {
                spinner.Kill(entireProcessTree: true);
                await spinner.WaitForExitAsync();
                spinner.Dispose();
            }
        }
    }

    private static Task<LoadResult> DnsAsync(Lab lab, BenchPath path, TimeSpan time, int names) =>
        LoadAsync(lab, path, time, "dns", "--names", Text(names), "--domain", path.DnsDomain);

    private static async Task<LoadResult> HttpAsync(Lab lab, BenchPath path, TimeSpan time)
    {
        // wrk counts whole seconds.
        string seconds = Text(Math.Max(1, Math.Round(time.TotalSeconds)));
        string[] command =
        [
            .. path.Enter, .. path.Wrapper, "wrk", "--threads", "1", "--connections", "64", "--duration", seconds, "--timeout", "4s",
            "--header", "Connection: close", $"http://{path.Target}:{Ports.Http}/page",
        ];
        string output = await lab.RunAsync(command, time + TimeSpan.FromSeconds(30), path.Environment);
        return WrkReport.Parse(output);
    }

    private static string Text(TimeSpan time) => time.TotalSeconds.ToString(CultureInfo.InvariantCulture);

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
}
