namespace Telepresence.Tunnel.Stack;

/// <summary>
/// What the peer said it holds beyond its cumulative acknowledgment (RFC 2018, RFC 6675 §3): a bounded, sorted list of disjoint
/// ranges in absolute send offsets. Made when the first SACK block comes, kept for the connection.
/// </summary>
internal sealed class SackScoreboard
{
    private const int Capacity = 32;

    private readonly (long Start, long End)[] _ranges = new (long, long)[Capacity];
    private int _count;

    public bool IsEmpty => _count == 0;

    /// <summary>End of the highest range; 0 when empty.</summary>
    public long Highest => _count == 0 ? 0 : _ranges[_count - 1].End;

    /// <summary>How many bytes the peer holds ahead of the gap.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds a range. When the list is full and it touches no known range, it is forgotten, which only costs a needless retransmission.</summary>
    /// <returns>Whether it said anything new.</returns>
    public bool Add(long start, long end)
    {
        int first = 0;
        while (first < _count && _ranges[first].End < start)
            first++;
        int last = first;
        long before = 0;
        while (last < _count && _ranges[last].Start <= end)
        {
            start = Math.Min(start, _ranges[last].Start);
            end = Math.Max(end, _ranges[last].End);
            before += _ranges[last].End - _ranges[last].Start;
            last++;
        }
        int replaced = last - first;
        if (replaced == 0)
        {
            if (_count == Capacity)
                return false;
            Array.Copy(_ranges, first, _ranges, first + 1, _count - first);
            _count++;
        }
        else if (replaced > 1)
        {
            Array.Copy(_ranges, last, _ranges, first + 1, _count - last);
            _count -= replaced - 1;
        }
        _ranges[first] = (start, end);
        Bytes += end - start - before;
        return end - start != before;
    }

    /// <summary>Forgets everything below the cumulative acknowledgment.</summary>
    public void Release(long upTo)
    {
        int drop = 0;
        while (drop < _count && _ranges[drop].End <= upTo)
        {
            Bytes -= _ranges[drop].End - _ranges[drop].Start;
            drop++;
        }
        if (drop > 0)
        {
            Array.Copy(_ranges, drop, _ranges, 0, _count - drop);
            _count -= drop;
        }
        if (_count > 0 && _ranges[0].Start < upTo)
        {
            Bytes -= upTo - _ranges[0].Start;
            _ranges[0].Start = upTo;
        }
    }

    /// <summary>After a time-out the peer may have dropped what it held (RFC 2018 §8).</summary>
    public void Clear()
    {
        _count = 0;
        Bytes = 0;
    }

    /// <summary>The first stretch at or after <paramref name="from"/> that the peer does not hold, as far as <paramref name="limit"/>.</summary>
    public bool TryNextHole(long from, long limit, out long start, out long end)
    {
        start = from;
        end = limit;
        for (int i = 0; i < _count && _ranges[i].Start < limit; i++)
        {
            if (_ranges[i].End <= start)
                continue;
            if (_ranges[i].Start > start)
            {
                end = Math.Min(limit, _ranges[i].Start);
                break;
            }
            start = _ranges[i].End;
        }
        return start < end;
    }
}
