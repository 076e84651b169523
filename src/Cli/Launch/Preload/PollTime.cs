namespace Telepresence.Cli.Launch.Preload;

/// <summary>When the stand-ins of one table want to be polled next: the earliest time that any of them has named.</summary>
internal sealed class PollTime
{
    /// <summary>Microseconds; <see cref="long.MaxValue"/> for never.</summary>
    internal long Next { get; private set; } = long.MaxValue;

    /// <summary>Names a time.</summary>
    internal void Wants(long time) => Next = Math.Min(Next, time);

    /// <summary>Forgets what was named, before all are asked anew.</summary>
    internal void Clear() => Next = long.MaxValue;
}
