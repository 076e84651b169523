namespace Telepresence.Tunnel.Buffers;

/// <summary>A pinned piece of memory that a <see cref="ByteQueue"/> strings together with others.</summary>
internal sealed class Chunk
{
    /// <summary>Pinned for the life of the process's pinned object heap, so that its address may go to the kernel.</summary>
    internal readonly byte[] Bytes;

    /// <summary>The next chunk of the queue, or of the pool's free list.</summary>
    internal Chunk? Next;

    /// <summary>Absolute offset in the queue of <c>Bytes[0]</c>.</summary>
    internal long Start;

    /// <summary>How many bytes have been written from the front.</summary>
    internal int Written;

    internal Chunk(int size) => Bytes = GC.AllocateUninitializedArray<byte>(size, pinned: true);

    internal long End => Start + Written;

    internal int Free => Bytes.Length - Written;
}
