namespace Telepresence.Tunnel.Mux;

/// <summary>
/// One direction's credit, as its receiver sees it: how far the peer may send, and how large a window the stream deserves.
/// </summary>
/// <remarks>
/// The limit is an absolute byte offset that only grows: what has left this process, plus the window. A new limit is told when a
/// part of the window has been consumed: half of a small one, an eighth of a large one. What is short of a part has to wait for
/// another round trip, so with halves a sender far away would move half a window in each. When a part went by faster than a quarter of the
/// window in each round trip, the window is what holds the sender back, so it doubles, up to the maximum and within the session's
/// memory. A round trip is one with the queue that the link should have (<see cref="LinkWindow"/>), or streams would keep it shorter;
/// and at least half a millisecond, because two event loops in a row take that long when they are busy. A stream that rests may lose
/// what it gained; the limit then stands still until what was promised has been used.
/// </remarks>
internal struct ReceiveWindow
{
    private const long ShortestRoundTrip = 500;
    private const int FewestParts = 2, MostParts = 8, LeastPart = 256 * 1024, RoundTripsPerWindow = 4;

    private long _updated;

    internal ReceiveWindow(int size, long limit, long now)
    {
        Size = size;
        Limit = limit;
        _updated = now;
    }

    /// <summary>Bytes received so far.</summary>
    internal long Received { get; private set; }

    /// <summary>Bytes that have left this process.</summary>
    internal long Consumed { get; private set; }

    /// <summary>The offset up to which the peer may send, as last decided.</summary>
    internal long Limit { get; private set; }

    /// <summary>Bytes promised beyond the window when it was taken from the stream, which it may still use.</summary>
    internal long Resting { get; set; }

    /// <summary>The window in bytes.</summary>
    internal int Size { get; private set; }

    // Each new limit is a frame, and time at every program along the link.
    private readonly int Part => Math.Min(Size / FewestParts, Math.Max(Size / MostParts, LeastPart));

    /// <summary>Whether the peer was allowed to send <paramref name="count"/> bytes more; counts them if so.</summary>
    internal bool TryReceive(int count)
    {
        if (Received + count > Limit)
            return false;
        Received += count;
        return true;
    }

    /// <summary>The same for a datagram, which may begin anywhere before the limit and end behind it: half a datagram is of no use,
    /// and one that is larger than the window must get through too.</summary>
    internal bool TryReceiveDatagram(int count)
    {
        if (Received >= Limit)
            return false;
        Received += count;
        return true;
    }

    /// <summary>Counts <paramref name="count"/> bytes as gone.</summary>
    /// <returns>True when <see cref="Limit"/> should be raised and told now.</returns>
    internal bool Consume(int count)
    {
        Consumed = Math.Min(Consumed + count, Received);
        return Consumed + Size - Limit >= Part;
    }

    /// <summary>Whether the window is what limits the sender, judged by the time since the last update.</summary>
    internal readonly bool WantsGrowth(long roundTrip, int max, long now) =>
        Size < max && roundTrip > 0 && now - _updated < RoundTripsPerWindow * Math.Max(roundTrip, ShortestRoundTrip) * Part / Size;

    /// <summary>Whether nothing waits here, and nothing has moved for <paramref name="rest"/>. What came since the last update is less than
    /// such a part, so a trickle counts as rest: it does not need a large one.</summary>
    internal readonly bool HasRested(long rest, long now) => Consumed == Received && now - _updated >= rest;

    internal void Resize(int size) => Size = size;

    /// <summary>Raises <see cref="Limit"/> to the window's full size behind what was consumed.</summary>
    internal void Update(long now)
    {
        Limit = Math.Max(Limit, Consumed + Size);
        _updated = now;
    }
}
