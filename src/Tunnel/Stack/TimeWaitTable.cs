namespace Telepresence.Tunnel.Stack;

/// <summary>
/// What is left of connections that we closed first (RFC 9293 §3.3.2 TIME-WAIT): enough to repeat the last ACK, 64 bytes each,
/// no connection object and no timer of its own. All wait equally long, so the oldest entry is always the first in the queue.
/// </summary>
internal sealed class TimeWaitTable(int capacity, long duration)
{
    private readonly Dictionary<FlowKey, Entry> _entries = [];
    private readonly Queue<(FlowKey Flow, long Expires)> _order = new();

    /// <param name="SendNext">Our next sequence number.</param>
    /// <param name="ReceiveNext">The peer's next sequence number.</param>
    /// <param name="Expires">When it is forgotten.</param>
    internal readonly record struct Entry(uint SendNext, uint ReceiveNext, long Expires);

    public int Count => _entries.Count;

    public void Add(in FlowKey flow, uint sendNext, uint receiveNext, long now)
    {
        Expire(now);
        while (_order.Count >= capacity)
            DropOldest();
        _entries[flow] = new(sendNext, receiveNext, now + duration);
        _order.Enqueue((flow, now + duration));
    }

    public bool TryGet(in FlowKey flow, long now, out Entry entry)
    {
        if (_entries.Count == 0 || !_entries.TryGetValue(flow, out entry))
        {
            entry = default;
            return false;
        }
        return entry.Expires > now;
    }

    public void Remove(in FlowKey flow) => _entries.Remove(flow);

    public void Expire(long now)
    {
        while (_order.TryPeek(out (FlowKey Flow, long Expires) oldest) && oldest.Expires <= now)
            DropOldest();
    }

    private void DropOldest()
    {
        (FlowKey flow, long expires) = _order.Dequeue();
        if (_entries.TryGetValue(flow, out Entry entry) && entry.Expires == expires)
            _entries.Remove(flow);
    }
}
