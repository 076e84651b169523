using System.Buffers;
using System.Numerics;

namespace Telepresence.Tunnel.Stack;

/// <summary>
/// Data that arrived ahead of a gap. One ring of at least the window's size, addressed by absolute receive offset, and a bounded
/// sorted list of the ranges that are filled; rented when a gap appears and returned when it closes, so a connection without loss
/// has none. Nothing outside the advertised window is offered to it, so a slot never holds two offsets.
/// </summary>
internal sealed class OutOfOrderStore
{
    private const int Capacity = 32;

    private readonly byte[] _ring;
    private readonly int _mask;
    private readonly (long Start, long End)[] _ranges = new (long, long)[Capacity];
    private int _count;
    private long _latest;

    /// <summary>Room for a window of <paramref name="window"/> bytes.</summary>
    public OutOfOrderStore(int window)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(window, 4096));
        _ring = ArrayPool<byte>.Shared.Rent(size);
        _mask = size - 1;
    }

    public bool IsEmpty => _count == 0;

    /// <summary>Keeps <paramref name="bytes"/> at <paramref name="offset"/>. Dropped when it would make one range too many; the peer sends it again.</summary>
    public void Insert(long offset, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || bytes.Length > _mask + 1)
            return;
        long start = offset, end = offset + bytes.Length;
        int first = 0;
        while (first < _count && _ranges[first].End < start)
            first++;
        int last = first;
        while (last < _count && _ranges[last].Start <= end)
        {
            start = Math.Min(start, _ranges[last].Start);
            end = Math.Max(end, _ranges[last].End);
            last++;
        }
        if (last == first)
        {
            if (_count == Capacity)
                return;
            Array.Copy(_ranges, first, _ranges, first + 1, _count - first);
            _count++;
        }
        else if (last - first > 1)
        {
            Array.Copy(_ranges, last, _ranges, first + 1, _count - last);
            _count -= last - first - 1;
        }
        _ranges[first] = (start, end);
        _latest = offset;
        int at = (int)(offset & _mask);
        int run = Math.Min(bytes.Length, _mask + 1 - at);
        bytes[..run].CopyTo(_ring.AsSpan(at));
        bytes[run..].CopyTo(_ring);
    }

    /// <summary>The contiguous bytes at <paramref name="offset"/>, up to the end of the ring; empty when there is a gap. They stay until <see cref="Release"/>.</summary>
    public ReadOnlySpan<byte> Peek(long offset)
    {
        if (_count == 0 || _ranges[0].Start > offset || _ranges[0].End <= offset)
            return default;
        int at = (int)(offset & _mask);
        return _ring.AsSpan(at, (int)Math.Min(_ranges[0].End - offset, _mask + 1 - at));
    }

    /// <summary>Forgets everything before <paramref name="upTo"/>.</summary>
    public void Release(long upTo)
    {
        int drop = 0;
        while (drop < _count && _ranges[drop].End <= upTo)
            drop++;
        if (drop > 0)
        {
            Array.Copy(_ranges, drop, _ranges, 0, _count - drop);
            _count -= drop;
        }
        if (_count > 0 && _ranges[0].Start < upTo)
            _ranges[0].Start = upTo;
    }

    /// <summary>Ranges for a SACK option, the one with the latest arrival first (RFC 2018 §4). Returns how many were written.</summary>
    public int CopyBlocks(Span<(long Start, long End)> blocks)
    {
        int n = 0;
        for (int i = 0; i < _count && n < blocks.Length; i++)
        {
            if (_ranges[i].Start <= _latest && _latest < _ranges[i].End)
                blocks[n++] = _ranges[i];
        }
        for (int i = _count - 1; i >= 0 && n < blocks.Length; i--)
        {
            if (!(_ranges[i].Start <= _latest && _latest < _ranges[i].End))
                blocks[n++] = _ranges[i];
        }
        return n;
    }

    /// <summary>Gives the ring back; the store must not be used after it.</summary>
    public void Return() => ArrayPool<byte>.Shared.Return(_ring);
}
