namespace Telepresence.Tunnel.Stack;

/// <summary>
/// Bounds the sum of the windows advertised to all connections. The TUN queue holds a fixed number of packets and drops what
/// comes on top, so what all senders together may send unasked must stay below it. A promise once made is never taken
/// back; when the budget is spent, connections get no more than a small floor.
/// </summary>
internal sealed class WindowBudget(long limit, int floor)
{
    /// <summary>Bytes promised and not yet received, over all connections.</summary>
    public long Promised { get; private set; }

    /// <summary>How large a window a connection may show that has <paramref name="promised"/> bytes open and wants <paramref name="wanted"/>.</summary>
    public long Allow(long promised, long wanted) => Math.Min(wanted, Math.Max(Math.Max(floor, promised), promised + limit - Promised));

    /// <summary>A promise grew (positive) or was used up (negative).</summary>
    public void Add(long change) => Promised += change;
}
