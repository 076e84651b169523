namespace Telepresence.Tunnel.Buffers;

/// <summary>
/// Free lists of pinned chunks in two sizes. Single owner: every queue of one event loop shares one pool and none locks.
/// </summary>
/// <remarks>
/// Two sizes because traffic has two shapes: a request or a keystroke fits in <see cref="SmallSize"/>, a bulk flow fills
/// <see cref="LargeSize"/> after <see cref="LargeSize"/>. An idle flow holds nothing at all. Chunks are <c>byte[]</c>: their
/// data begins 16 bytes behind an aligned address, which avoids the slow copy that page-aligned sources show on some CPUs.
/// </remarks>
public sealed class ChunkPool
{
    /// <summary>Size in bytes of the chunk that a queue takes first.</summary>
    public const int SmallSize = 4 * 1024;

    /// <summary>Size in bytes of the chunks that carry bulk data.</summary>
    public const int LargeSize = 64 * 1024;

    private Chunk? _small;
    private Chunk? _large;

    /// <summary>Bytes in chunks that queues hold now.</summary>
    public long InUse { get; private set; }

    /// <summary>Bytes in chunks on the free lists.</summary>
    public long Idle { get; private set; }

    internal Chunk Rent(int sizeHint)
    {
        ref Chunk? list = ref sizeHint <= SmallSize ? ref _small : ref _large;
        Chunk? chunk = list;
        if (chunk is null)
        {
            chunk = new Chunk(sizeHint <= SmallSize ? SmallSize : LargeSize);
        }
        else
        {
            list = chunk.Next;
            chunk.Next = null;
            Idle -= chunk.Bytes.Length;
        }

        chunk.Written = 0;
        InUse += chunk.Bytes.Length;
        return chunk;
    }

    internal void Return(Chunk chunk)
    {
        ref Chunk? list = ref chunk.Bytes.Length == SmallSize ? ref _small : ref _large;
        InUse -= chunk.Bytes.Length;
        Idle += chunk.Bytes.Length;
        chunk.Next = list;
        list = chunk;
    }

    /// <summary>Gives idle memory above <paramref name="keep"/> bytes back to the garbage collector. Called when traffic has calmed.</summary>
    /// <returns>How many bytes were dropped.</returns>
    public long Trim(long keep)
    {
        long dropped = 0;
        Trim(ref _large, keep, ref dropped);
        Trim(ref _small, keep, ref dropped);
        return dropped;
    }

    private void Trim(ref Chunk? list, long keep, ref long dropped)
    {
        while (Idle > keep && list is not null)
        {
            Idle -= list.Bytes.Length;
            dropped += list.Bytes.Length;
            list = list.Next;
        }
    }
}
