using System.Buffers;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

/// <summary>
/// Puts fragments together (RFC 791 §3.2, RFC 8200 §4.5). Bounded in number, size and time. Fragments overlap only in attacks, so an
/// overlap ends the datagram (RFC 5722); an exact repetition is what a network does and is ignored. What has arrived is a bitmap
/// of 8-byte units, which makes every order of arrival the same.
/// </summary>
internal sealed class Reassembler(int capacity, long timeout, StackCounters counters)
{
    private const int MaximumLength = 65_535;

    private readonly Dictionary<Key, Partial> _partials = [];

    private readonly record struct Key(NetAddress Source, NetAddress Destination, uint Identification, byte Protocol);

    private sealed class Partial(long expires)
    {
        public readonly byte[] Bytes = ArrayPool<byte>.Shared.Rent(MaximumLength + 8);
        public readonly ulong[] Units = new ulong[128];
        public readonly long Expires = expires;
        public int Total = -1;
        public int End; // of the fragment that reaches furthest
        public int Have;
    }

    public int Count => _partials.Count;

    public long NextDeadline
    {
        get
        {
            long earliest = long.MaxValue;
            foreach (Partial partial in _partials.Values)
                earliest = Math.Min(earliest, partial.Expires);
            return earliest;
        }
    }

    /// <summary>Takes a fragment.</summary>
    /// <returns>The whole payload when this was the last piece, rented: give it back with <see cref="Return"/>. Null otherwise.</returns>
    public byte[]? Add(
        in NetAddress source, in NetAddress destination, uint identification, byte protocol, int offset, bool more, ReadOnlySpan<byte> data,
        long now, out int length)
    {
        length = 0;
        counters.Fragments++;
        // Every fragment but the last is a multiple of 8 long; none is empty; the whole fits in an IP packet.
        if (data.IsEmpty || (more && data.Length % 8 != 0) || offset + data.Length > MaximumLength)
        {
            counters.Malformed++;
            return null;
        }
        Key key = new(source, destination, identification, protocol);
        if (!_partials.TryGetValue(key, out Partial? partial))
        {
            if (_partials.Count >= capacity)
                Expire(now);
            if (_partials.Count >= capacity)
            {
                counters.ReassemblyFailures++;
                return null;
            }
            partial = new Partial(now + timeout);
            _partials.Add(key, partial);
        }

        int end = offset + data.Length;
        int firstUnit = offset / 8, units = (data.Length + 7) / 8, present = 0;
        for (int unit = firstUnit; unit < firstUnit + units; unit++)
            present += (int)(partial.Units[unit >> 6] >> (unit & 63) & 1);
        if (present == units && (more || partial.Total == end))
            return null;
        if (present > 0 || (!more && (partial.Total >= 0 || partial.End > end)) || (partial.Total >= 0 && end > partial.Total))
        {
            Drop(key, partial);
            return null;
        }
        for (int unit = firstUnit; unit < firstUnit + units; unit++)
            partial.Units[unit >> 6] |= 1UL << (unit & 63);
        data.CopyTo(partial.Bytes.AsSpan(offset));
        partial.Have += data.Length;
        partial.End = Math.Max(partial.End, end);
        if (!more)
            partial.Total = end;
        if (partial.Total < 0 || partial.Have < partial.Total)
            return null;
        _partials.Remove(key);
        counters.Reassembled++;
        length = partial.Total;
        return partial.Bytes;
    }

    public static void Return(byte[] payload) => ArrayPool<byte>.Shared.Return(payload);

    public void Expire(long now)
    {
        foreach ((Key key, Partial partial) in _partials)
        {
            if (partial.Expires <= now)
                Drop(key, partial);
        }
    }

    private void Drop(Key key, Partial partial)
    {
        _partials.Remove(key);
        ArrayPool<byte>.Shared.Return(partial.Bytes);
        counters.ReassemblyFailures++;
    }
}
