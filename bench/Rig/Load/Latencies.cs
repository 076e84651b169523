using System.Diagnostics;

namespace Telepresence.Rig.Load;

/// <summary>Durations of repeated operations, for percentiles.</summary>
internal sealed class Latencies
{
    private readonly List<long> _ticks = new(1 << 20);

    internal int Count => _ticks.Count;

    internal void Add(long ticks) => _ticks.Add(ticks);

    internal void AddRange(Latencies other) => _ticks.AddRange(other._ticks);

    /// <summary>Median, 99th percentile in microseconds, and the rate over <paramref name="seconds"/>.</summary>
    internal LoadResult Report(double seconds)
    {
        if (_ticks.Count == 0)
            throw new IOException("Not one operation was completed.");
        _ticks.Sort();
        return new LoadResult().With("p50", Percentile(0.5)).With("p99", Percentile(0.99)).With("perSecond", _ticks.Count / seconds);
    }

    private double Percentile(double share) => _ticks[Math.Min(_ticks.Count - 1, (int)(_ticks.Count * share))] * 1e6 / Stopwatch.Frequency;
}
