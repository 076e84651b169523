using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class MemoryTrimmerTests
{
    private const long MB = 1 << 20, Second = 1_000_000;

    private readonly ChunkPool _pool = new();
    private readonly MemoryTrimmer _trimmer;
    private long _heap = 2 * MB;
    private int _collections;

    public MemoryTrimmerTests() => _trimmer = new MemoryTrimmer(_pool, () => _heap, () => _collections++);

    [Fact]
    public void What_bulk_has_left_in_the_pool_goes_after_two_calm_seconds()
    {
        Turns(Second, 0);
        Use(40 * MB);
        Turns(4 * Second, 0);
        Assert.Equal(1, _collections);
        Assert.InRange(_pool.Idle, 0, 4 * MB);
        Assert.Equal(long.MaxValue, _trimmer.NextDeadline);
    }

    [Fact]
    public void What_connections_have_left_on_the_heap_is_collected_when_it_grows_no_more()
    {
        Turns(Second, 0);
        int before = _collections;
        Turns(20 * Second, bytesPerTurn: MB / 4);
        Assert.Equal(before, _collections);
        Turns(6 * Second, 0);
        Assert.Equal(before + 1, _collections);
        Turns(60 * Second, 0);
        Assert.Equal(before + 1, _collections);
    }

    [Fact]
    public void A_machine_that_does_little_is_left_alone()
    {
        Turns(60 * Second, bytesPerTurn: 100);
        Assert.Equal(0, _collections);
        Assert.Equal(long.MaxValue, _trimmer.NextDeadline);
    }

    [Fact]
    public void Bulk_that_goes_on_keeps_its_memory()
    {
        for (int i = 0; i < 20; i++)
        {
            Use(40 * MB);
            Turns(Second, 0);
        }

        Assert.Equal(0, _collections);
        Assert.InRange(_pool.Idle, 36 * MB, 44 * MB);
    }

    private long _now = Second;

    // A turn each tenth of a second.
    private void Turns(long duration, long bytesPerTurn)
    {
        for (long end = _now + duration; _now < end; _now += Second / 10)
        {
            _heap += bytesPerTurn;
            _trimmer.OnTurn(_now);
        }
    }

    private void Use(long bytes)
    {
        List<Chunk> chunks = [];
        while (_pool.InUse < bytes)
            chunks.Add(_pool.Rent(ChunkPool.LargeSize));
        _trimmer.OnTurn(_now);
        foreach (Chunk chunk in chunks)
            _pool.Return(chunk);
    }
}
