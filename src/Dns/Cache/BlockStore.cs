namespace Telepresence.Dns.Cache;

/// <summary>
/// A fixed piece of memory cut into blocks of equal size; what is stored takes as many as it needs, chained. Bounded, without
/// allocation after the start, and nothing to compact.
/// </summary>
internal sealed class BlockStore
{
    /// <summary>Holds the longest key (a name and eight bytes) and a usual answer in one block.</summary>
    public const int BlockSize = 512;

    public const int None = -1;

    private readonly byte[] _bytes;
    private readonly int[] _next;
    private int _free;

    public BlockStore(int bytes)
    {
        var count = Math.Max(bytes / BlockSize, 1);
        _bytes = new byte[count * BlockSize];
        _next = new int[count];
        for (var i = 0; i < count; i++) _next[i] = i + 1 < count ? i + 1 : None;
        FreeBlocks = count;
    }

    public int FreeBlocks { get; private set; }

    public static int BlocksFor(int bytes) => Math.Max((bytes + BlockSize - 1) / BlockSize, 1);

    /// <summary>Takes a chain of blocks. The caller has seen to it that there are enough.</summary>
    public int Take(int count)
    {
        if (count > FreeBlocks) throw new InvalidOperationException("Block store exhausted.");
        var first = _free;
        var last = first;
        for (var i = 1; i < count; i++) last = _next[last];
        _free = _next[last];
        _next[last] = None;
        FreeBlocks -= count;
        return first;
    }

    /// <summary>Makes a chain <paramref name="count"/> blocks long; it may not be longer already.</summary>
    public void Extend(int first, int count)
    {
        var last = first;
        for (count--; _next[last] != None; count--) last = _next[last];
        if (count > 0) _next[last] = Take(count);
    }

    public void Return(int first)
    {
        while (first != None)
        {
            var next = _next[first];
            _next[first] = _free;
            _free = first;
            FreeBlocks++;
            first = next;
        }
    }

    /// <summary>The bytes of the first block.</summary>
    public Span<byte> Head(int first) => _bytes.AsSpan(first * BlockSize, BlockSize);

    public void Write(int first, int offset, ReadOnlySpan<byte> source)
    {
        var (block, within) = Seek(first, offset);
        while (source.Length > 0)
        {
            var part = Math.Min(BlockSize - within, source.Length);
            source[..part].CopyTo(_bytes.AsSpan(block * BlockSize + within));
            source = source[part..];
            block = _next[block];
            within = 0;
        }
    }

    public void Read(int first, int offset, Span<byte> destination)
    {
        var (block, within) = Seek(first, offset);
        while (destination.Length > 0)
        {
            var part = Math.Min(BlockSize - within, destination.Length);
            _bytes.AsSpan(block * BlockSize + within, part).CopyTo(destination);
            destination = destination[part..];
            block = _next[block];
            within = 0;
        }
    }

    private (int Block, int Within) Seek(int block, int offset)
    {
        for (; offset >= BlockSize; offset -= BlockSize) block = _next[block];
        return (block, offset);
    }
}
