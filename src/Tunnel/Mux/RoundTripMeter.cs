namespace Telepresence.Tunnel.Mux;

/// <summary>Round trips of the link, in microseconds: the last, and the shortest of the last eight.</summary>
/// <remarks>The shortest is the link itself; the others include what was queued in front of the ping.</remarks>
internal struct RoundTripMeter
{
    private long[]? _samples;

    /// <summary>Round trips measured on this link.</summary>
    internal int Count { get; private set; }

    internal long Last { get; private set; }

    internal long Shortest { get; private set; }

    internal void Add(long sample)
    {
        _samples ??= new long[8];
        Last = Math.Max(1, sample);
        _samples[Count++ % _samples.Length] = Last;
        Shortest = Last;
        for (int i = 0; i < Math.Min(Count, _samples.Length); i++)
            Shortest = Math.Min(Shortest, _samples[i]);
    }

    /// <summary>Forgets what was measured on another link.</summary>
    internal void Restart() => Count = 0;
}
