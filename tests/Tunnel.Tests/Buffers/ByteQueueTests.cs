using Telepresence.Tunnel.Buffers;

namespace Telepresence.Tunnel.Tests.Buffers;

public sealed class ByteQueueTests
{
    private readonly ChunkPool _pool = new();

    [Fact]
    public void An_empty_queue_holds_no_memory()
    {
        ByteQueue queue = new(_pool);
        queue.Append([1, 2, 3]);
        queue.Release(3);
        Assert.Equal(0, queue.Length);
        Assert.Equal(0, _pool.InUse);
        Assert.Equal(ChunkPool.SmallSize, _pool.Idle);
        Assert.Equal(ChunkPool.SmallSize, _pool.Trim(0));
        Assert.Equal(0, _pool.Idle);
    }

    [Fact]
    public void Bytes_stay_readable_at_their_absolute_offset_until_they_are_released()
    {
        ByteQueue queue = new(_pool);
        queue.Append([1, 2, 3, 4]);
        queue.Release(2);
        Assert.Equal([3, 4], queue.Peek(2, 10).ToArray());
        Assert.Equal([4], queue.Peek(3, 10).ToArray());
        Assert.True(queue.Peek(1, 10).IsEmpty);
        Assert.True(queue.Peek(4, 10).IsEmpty);
    }

    [Fact]
    public void Random_appends_reads_and_releases_agree_with_a_plain_list()
    {
        for (int seed = 0; seed < 50; seed++)
            CompareWithList(new Random(seed));
    }

    private void CompareWithList(Random random)
    {
        ByteQueue queue = new(_pool);
        List<byte> model = [];
        IoVector[] vectors = new IoVector[4];
        for (int step = 0; step < 200; step++)
        {
            byte[] piece = new byte[random.Next(random.Next(2) == 0 ? 100 : 100_000)];
            random.NextBytes(piece);
            if (random.Next(2) == 0)
            {
                queue.Append(piece);
                model.AddRange(piece);
            }
            else
            {
                Span<byte> room = queue.GetWriteSpan(piece.Length);
                int count = Math.Min(room.Length, piece.Length);
                piece.AsSpan(0, count).CopyTo(room);
                queue.Advance(count);
                model.AddRange(piece.AsSpan(0, count));
            }

            Assert.Equal(model.Count, queue.Tail);
            long offset = queue.Head + random.Next(queue.Length + 1);
            int filled = queue.Gather(offset, random.Next(1, 200_000), vectors);
            for (int i = 0; i < filled; i++)
            {
                Assert.True(vectors[i].Span.SequenceEqual(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(model).Slice((int)offset, (int)vectors[i].Length)));
                offset += (long)vectors[i].Length;
            }

            queue.Release(queue.Head + random.Next(queue.Length + 1));
        }

        queue.Clear();
        Assert.Equal(0, _pool.InUse);
    }

    [Fact]
    public void Steady_traffic_allocates_nothing()
    {
        ByteQueue queue = new(_pool);
        byte[] piece = new byte[70_000];
        Cycle(queue, piece);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            Cycle(queue, piece);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Cycle(ByteQueue queue, byte[] piece)
    {
        queue.Append(piece);
        queue.Release(queue.Tail - 10);
        queue.Append(piece);
        queue.Clear();
    }
}
