using Telepresence.Tunnel.Buffers;

namespace Telepresence.Tunnel.Mux;

/// <summary>One sequenced frame that the peer has not acknowledged: enough to write it again, byte for byte.</summary>
internal struct FrameRecord
{
    /// <summary>The stream, for a frame whose bytes lie in its send queue; null for a control frame.</summary>
    internal MuxStream? Stream;

    /// <summary>DATA, DATAGRAM: absolute offset in the stream's queue. OPEN, ACCEPT, REFUSE: offset in the control bytes. CREDIT: the limit itself.</summary>
    internal long Offset;

    internal uint StreamId;
    internal ushort Length;
    internal FrameType Type;
    internal byte Detail;
}

/// <summary>
/// The frames sent and not yet acknowledged, by sequence number; a ring of recycled structs.
/// </summary>
/// <remarks>
/// Sequence numbers are 64-bit here and 32-bit on the wire. Three marks walk over the ring:
/// <c>First ≤ Begun ≤ Next</c>; frames before <see cref="First"/> are acknowledged, frames before <see cref="Begun"/> have had at
/// least one byte handed to a link and can never change again, frames from there to <see cref="Next"/> are merely planned.
/// </remarks>
internal sealed class SentLog(int capacity, long first = 0)
{
    private FrameRecord[] _ring = new FrameRecord[64];

    internal long First { get; private set; } = first;

    internal long Begun { get; set; } = first;

    internal long Next { get; private set; } = first;

    internal bool IsFull => Next - First >= capacity;

    internal ref FrameRecord this[long sequence] => ref _ring[sequence & (_ring.Length - 1)];

    /// <summary>The 64-bit number of <paramref name="wire"/>, taken as not before <see cref="First"/>.</summary>
    internal long Expand(uint wire) => First + (wire - (uint)First);

    /// <summary>Takes the next sequence number. The caller fills the record.</summary>
    internal ref FrameRecord Append()
    {
        if (Next - First == _ring.Length)
            Grow();
        return ref this[Next++];
    }

    /// <summary>Takes back the newest record, which must not have been begun.</summary>
    internal void RemoveNewest() => this[--Next] = default;

    /// <summary>Forgets the oldest record.</summary>
    internal void RemoveOldest() => this[First++] = default;

    private void Grow()
    {
        var larger = new FrameRecord[_ring.Length * 2];
        for (long i = First; i < Next; i++)
            larger[i & (larger.Length - 1)] = this[i];
        _ring = larger;
    }
}

/// <summary>
/// Control frames that have no sequence number yet, first in first out, and the bytes of those and of the unacknowledged ones.
/// </summary>
/// <remarks>Frames are numbered in the order in which they were queued, hence acknowledged in that order: the bytes are a queue too.</remarks>
internal sealed class ControlQueue(ChunkPool pool)
{
    private FrameRecord[] _ring = new FrameRecord[16];
    private int _head;

    internal ByteQueue Bytes { get; } = new(pool);

    internal int Count { get; private set; }

    internal void Add(FrameType type, byte detail, uint streamId, ReadOnlySpan<byte> prefix = default, ReadOnlySpan<byte> payload = default)
    {
        if (Count == _ring.Length)
            Grow();
        _ring[(_head + Count++) & (_ring.Length - 1)] = new FrameRecord
        {
            Type = type,
            Detail = detail,
            StreamId = streamId,
            Offset = Bytes.Tail,
            Length = (ushort)(prefix.Length + payload.Length),
        };
        Bytes.Append(prefix);
        Bytes.Append(payload);
    }

    internal FrameRecord Take()
    {
        FrameRecord record = _ring[_head];
        _head = (_head + 1) & (_ring.Length - 1);
        Count--;
        return record;
    }

    internal void Clear()
    {
        Count = 0;
        Bytes.Clear();
    }

    private void Grow()
    {
        var larger = new FrameRecord[_ring.Length * 2];
        for (int i = 0; i < Count; i++)
            larger[i] = _ring[(_head + i) & (_ring.Length - 1)];
        _ring = larger;
        _head = 0;
    }
}
