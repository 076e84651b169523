namespace Telepresence.Tunnel.Buffers;

/// <summary>
/// A first-in, first-out queue of bytes with absolute offsets, in pinned chunks.
/// </summary>
/// <remarks>
/// <para>Bytes enter at <see cref="Tail"/>, stay readable at their absolute offset (for sending and for sending again) and leave
/// from <see cref="Head"/> when the other side has acknowledged them. That is all that a retransmission queue and a replay
/// buffer need, so both the TCP sender and the session use this type.</para>
/// <para>Single owner, no locks. Memory: nothing while empty; one small chunk for small writes; large chunks after that.</para>
/// <para>Reads are usually at or near the last place read, so one cursor remembers it and a scan is rare.</para>
/// </remarks>
public sealed class ByteQueue(ChunkPool pool)
{
    private Chunk? _first;
    private Chunk? _last;
    private Chunk? _cursor;

    /// <summary>Absolute offset of the oldest byte kept.</summary>
    public long Head { get; private set; }

    /// <summary>Absolute offset behind the newest byte.</summary>
    public long Tail { get; private set; }

    /// <summary>How many bytes are kept.</summary>
    public int Length => (int)(Tail - Head);

    /// <summary>Copies <paramref name="bytes"/> behind the tail.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            Span<byte> room = GetWriteSpan(bytes.Length);
            int count = Math.Min(room.Length, bytes.Length);
            bytes[..count].CopyTo(room);
            Advance(count);
            bytes = bytes[count..];
        }
    }

    /// <summary>Room behind the tail, at least one byte, for reading a socket straight into the queue; see <see cref="Advance"/>.</summary>
    /// <param name="sizeHint">How many bytes are expected; decides the size of a new chunk.</param>
    public Span<byte> GetWriteSpan(int sizeHint)
    {
        if (_last is null || _last.Free == 0)
        {
            Chunk chunk = pool.Rent(sizeHint);
            chunk.Start = Tail;
            if (_last is null)
                _first = chunk;
            else
                _last.Next = chunk;
            _last = chunk;
        }

        return _last.Bytes.AsSpan(_last.Written);
    }

    /// <summary>Says that the first <paramref name="count"/> bytes of the last <see cref="GetWriteSpan"/> were filled.</summary>
    public void Advance(int count)
    {
        if (_last is null)
        {
            ArgumentOutOfRangeException.ThrowIfNotEqual(count, 0);
            return;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)_last.Free, nameof(count));
        _last.Written += count;
        Tail += count;
        if (Length == 0)
            ReleaseAll();
    }

    /// <summary>The longest contiguous run of kept bytes at <paramref name="offset"/>, at most <paramref name="max"/>; empty at the tail.</summary>
    public ReadOnlySpan<byte> Peek(long offset, int max)
    {
        Chunk? chunk = Find(offset);
        if (chunk is null)
            return default;
        int at = (int)(offset - chunk.Start);
        return chunk.Bytes.AsSpan(at, Math.Min(max, chunk.Written - at));
    }

    /// <summary>Names up to <paramref name="count"/> bytes at <paramref name="offset"/> as vectors.</summary>
    /// <returns>How many vectors were filled; fewer bytes than asked are named when the vectors or the kept bytes run out.</returns>
    public int Gather(long offset, int count, Span<IoVector> vectors)
    {
        int filled = 0;
        Chunk? chunk = Find(offset);
        while (chunk is not null && count > 0 && filled < vectors.Length)
        {
            int at = (int)(offset - chunk.Start);
            int run = Math.Min(count, chunk.Written - at);
            if (run > 0)
                vectors[filled++] = new IoVector(chunk.Bytes.AsSpan(at, run));
            offset += run;
            count -= run;
            chunk = chunk.Next;
        }

        return filled;
    }

    /// <summary>Forgets every byte before <paramref name="upTo"/>.</summary>
    public void Release(long upTo)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(upTo, Tail);
        if (upTo <= Head)
            return;
        Head = upTo;
        if (Head == Tail)
        {
            ReleaseAll();
            return;
        }

        while (_first is not null && _first.End <= Head)
        {
            Chunk done = _first;
            if (_cursor == done)
                _cursor = null;
            _first = done.Next;
            pool.Return(done);
        }
    }

    /// <summary>Forgets every byte and gives all memory back.</summary>
    public void Clear() => Release(Tail);

    private void ReleaseAll()
    {
        _cursor = null;
        _last = null;
        while (_first is not null)
        {
            Chunk done = _first;
            _first = done.Next;
            pool.Return(done);
        }
    }

    private Chunk? Find(long offset)
    {
        if (offset < Head || offset >= Tail)
            return null;
        Chunk? chunk = _cursor is not null && _cursor.Start <= offset ? _cursor : _first;
        while (chunk is not null && chunk.End <= offset)
            chunk = chunk.Next;
        _cursor = chunk;
        return chunk;
    }
}
