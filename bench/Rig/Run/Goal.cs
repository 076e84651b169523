namespace Telepresence.Rig.Run;

/// <summary>A figure that this project wants to reach: mostly a ratio of two that one run has measured side by side.</summary>
/// <param name="Title">What it says.</param>
/// <param name="AtLeast">Must be reached.</param>
/// <param name="Aim">Should be.</param>
/// <param name="Decimals">Digits behind the point.</param>
/// <param name="Value">Takes it from a run; null when that did not measure it.</param>
/// <param name="IsLimit">Whether less is better.</param>
internal sealed record Goal(string Title, double AtLeast, double Aim, int Decimals, Func<BenchResult, double?> Value, bool IsLimit = false)
{
    private const string Ours = "telepresence", Speed = "gigabytesPerSecond", Rate = "perSecond";

    internal static readonly Goal[] All =
    [
        new("bulk up, 1 stream ÷ ssh -D", 2, 3, 2, static run => Ratio(run, "bulk-up", Speed, "ssh-D")),
        new("bulk down, 1 stream ÷ ssh -D", 2, 3, 2, static run => Ratio(run, "bulk-down", Speed, "ssh-D")),
        new("bulk down, 1 stream ÷ pasta", 0.5, 0.75, 2, static run => Ratio(run, "bulk-down", Speed, "pasta")),
        new("bulk up, 1 stream ÷ sshuttle", 40, 60, 0, static run => Ratio(run, "bulk-up", Speed, "sshuttle")),
        new("bulk down, 1 stream ÷ sshuttle", 40, 60, 0, static run => Ratio(run, "bulk-down", Speed, "sshuttle")),
        new("stack alone, down ÷ pasta, down", 0.9, 1.2, 2, static run => run.Median("stack", "bulk-down", Speed) / run.Median("pasta", "bulk-down", Speed)),
        new("stack alone, up 8 ÷ pasta, up 8", 0.9, 1.2, 2, static run => run.Median("stack", "bulk-up-8", Speed) / run.Median("pasta", "bulk-up-8", Speed)),
        new("upload, 1 stream ÷ 8 streams", 0.7, 0.9, 2, static run => run.Median(Ours, "bulk-up", Speed) / run.Median(Ours, "bulk-up-8", Speed)),
        new("CPU of both relays, up, s/GB", 1.6, 1.1, 2, static run => run.Median(Ours, "bulk-up", "relaySecondsPerGigabyte"), IsLimit: true),
        new("CPU of both relays, down, s/GB", 1.6, 1.1, 2, static run => run.Median(Ours, "bulk-down", "relaySecondsPerGigabyte"), IsLimit: true),
        new("round trip added to loopback, idle CPU, p50 µs", 150, 100, 0, static run => run.Median(Ours, "round-trip", "p50") - run.Median("loopback", "round-trip", "p50"), IsLimit: true),
        new("round trip added to loopback, busy CPU, p50 µs", 80, 50, 0, static run => run.Median(Ours, "round-trip-awake", "p50") - run.Median("loopback", "round-trip-awake", "p50"), IsLimit: true),
        new("round trip during bulk up, p99 ms", 3, 1.5, 1, static run => run.Median(Ours, "round-trip-during-up", "p99") / 1000, IsLimit: true),
        new("round trip during bulk down, p99 ms", 3, 1.5, 1, static run => run.Median(Ours, "round-trip-during-down", "p99") / 1000, IsLimit: true),
        new("HTTP without keep-alive ÷ ssh -D", 10, 10, 1, static run => Ratio(run, "http-close", Rate, "ssh-D")),
        new("HTTP without keep-alive ÷ pasta", 0.7, 1, 2, static run => Ratio(run, "http-close", Rate, "pasta")),
        new("connect and first byte, p50 ÷ pasta", 1.2, 1, 2, static run => Ratio(run, "connect", "p50", "pasta"), IsLimit: true),
        new("memory per idle connection, both ends, kB", 4, 2, 1, static run => run.Median(Ours, "idle", "kilobytesPerConnection"), IsLimit: true),
        new("client resident at start, MB", 50, 40, 0, static run => run.Median(Ours, "memory-start", "process2"), IsLimit: true),
        new("client resident 5 s after the rounds, MB", 80, 60, 0, static run => run.Median(Ours, "memory-calm", "process2"), IsLimit: true),
        new("DNS through the tunnel, thousand queries/s", 12, 20, 1, static run => run.Median(Ours, "dns", Rate) / 1000),
        new("DNS from the cache, thousand queries/s", 25, 35, 1, static run => run.Median(Ours, "dns-cached", Rate) / 1000),
        new("download through a port-forward ÷ bare WebSocket", 0.9, 0.98, 2, static run => run.Median("port-forward", "bulk-down", Speed) / run.Median("websocket", "bulk-down", Speed)),
        new("upload through a port-forward ÷ bare WebSocket", 0.9, 0.98, 2, static run => run.Median("port-forward", "bulk-up", Speed) / run.Median("websocket", "bulk-up", Speed)),
        new("--version, ms", 80, 50, 0, static run => run.Median("program", "start-version", "milliseconds"), IsLimit: true),
        new("status, ms", 80, 50, 0, static run => run.Median("program", "start-status", "milliseconds"), IsLimit: true),
        new("connect for the first time, a pod is made, s", 6, 4, 1, static run => run.Median("program", "start-connect-first", "seconds"), IsLimit: true),
        new("connect again, a pod is made, s", 6, 4, 1, static run => run.Median("program", "start-connect", "seconds"), IsLimit: true),
        new("--deployment NAME --run true, the pod is there, s", 1, 0.5, 2, static run => run.Median("program", "start-tree", "seconds"), IsLimit: true),
        new("run -- true in a session, s", 0.5, 0.25, 2, static run => run.Median("program", "start-run", "seconds"), IsLimit: true),
    ];

    /// <summary>In a word.</summary>
    internal string Verdict(double value) => Reaches(value, Aim) ? "aim" : Reaches(value, AtLeast) ? "yes" : "**no**";

    private bool Reaches(double value, double goal) => IsLimit ? value <= goal : value >= goal;

    private static double? Ratio(BenchResult run, string measure, string figure, string peer) => run.Median(Ours, measure, figure) / run.Median(peer, measure, figure);
}
