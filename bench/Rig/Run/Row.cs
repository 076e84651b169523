namespace Telepresence.Rig.Run;

/// <summary>One line of the table.</summary>
/// <param name="Title">What it says.</param>
/// <param name="Measure">The measure's id.</param>
/// <param name="Figure">Which of its figures.</param>
/// <param name="Decimals">Digits behind the point.</param>
/// <param name="IsRatio">Whether "ours to loopback" makes sense here.</param>
internal sealed record Row(string Title, string Measure, string Figure, int Decimals, bool IsRatio = true)
{
    internal static readonly Row[] All =
    [
        new("bulk up, 1 stream, GB/s", "bulk-up", "gigabytesPerSecond", 2),
        new("bulk down, 1 stream, GB/s", "bulk-down", "gigabytesPerSecond", 2),
        new("bulk up, 8 streams, GB/s", "bulk-up-8", "gigabytesPerSecond", 2),
        new("bulk down, 8 streams, GB/s", "bulk-down-8", "gigabytesPerSecond", 2),
        new("CPU of the relays, up, s/GB", "bulk-up", "relaySecondsPerGigabyte", 2, false),
        new("CPU of the relays, down, s/GB", "bulk-down", "relaySecondsPerGigabyte", 2, false),
        new("CPU of everything, up, s/GB", "bulk-up", "allSecondsPerGigabyte", 2),
        new("CPU of everything, down, s/GB", "bulk-down", "allSecondsPerGigabyte", 2),
        new("round trip, idle, p50 µs", "round-trip", "p50", 0),
        new("round trip, idle, p99 µs", "round-trip", "p99", 0),
        new("round trip, CPU kept awake, p50 µs", "round-trip-awake", "p50", 0),
        new("round trip during bulk up, p50 µs", "round-trip-during-up", "p50", 0),
        new("round trip during bulk up, p99 µs", "round-trip-during-up", "p99", 0),
        new("round trip during bulk down, p50 µs", "round-trip-during-down", "p50", 0),
        new("round trip during bulk down, p99 µs", "round-trip-during-down", "p99", 0),
        new("connect and first byte, p50 µs", "connect", "p50", 0),
        new("connect and first byte, p99 µs", "connect", "p99", 0),
        new("connections/s, 16 threads", "connect-16", "perSecond", 0),
        new("HTTP without keep-alive, 64 at once, requests/s", "http-close", "perSecond", 0),
        new("DNS, names asked once, queries/s", "dns", "perSecond", 0),
        new("DNS, from the cache, queries/s", "dns-cached", "perSecond", 0, false),
        new("connections opened one after another, /s", "idle", "perSecond", 0),
        new("memory per idle connection, kB", "idle", "kilobytesPerConnection", 1, false),
        new("resident memory at start, MB", "memory-start", "megabytes", 0, false),
        new("largest so far after the rounds, MB", "memory-peak", "megabytes", 0, false),
        new("5 s after the rounds, MB", "memory-calm", "megabytes", 0, false),
    ];
}
