namespace Telepresence.Tunnel.Stack;

/// <summary>
/// Bounds the sum of the windows advertised to all connections. The TUN queue holds a fixed number of packets and drops what
/// comes on top, so what all senders together may send unasked must stay below it. Every connection has <paramref name="free"/> without being
/// counted, so that thousands that rest take nothing from one that works; what it is promised beyond that is. When the budget is spent,
/// windows do not grow.
/// </summary>
/// <param name="limit">Most bytes promised beyond the free ones, over all connections.</param>
/// <param name="free">Bytes per connection that do not count.</param>
internal sealed class WindowBudget(long limit, int free)
{
    /// <summary>Counted bytes that were promised and have not been received, over all connections.</summary>
    public long Promised { get; private set; }

    /// <summary>What counts of a promise.</summary>
    public long Counted(long promised) => Math.Max(0, promised - free);

    /// <summary>How large a window a connection may show of whose promise <paramref name="counted"/> bytes are in the budget and that wants <paramref name="wanted"/>.</summary>
    public long Allow(long counted, long wanted) => Math.Min(wanted, free + Math.Max(counted, counted + limit - Promised));

    /// <summary>What counts of a promise has changed.</summary>
    public void Add(long change) => Promised += change;
}
