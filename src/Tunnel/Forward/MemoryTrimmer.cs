using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>Gives memory that traffic has left behind back to the system when it has calmed: idle chunks of the pool, and what is on the heap
/// of connections that are gone.</summary>
/// <param name="pool">The loop's memory.</param>
/// <param name="heap">Bytes on the managed heap, garbage included; this process's if null.</param>
/// <param name="collect">Collects garbage and gives pages back; this process's collector if null.</param>
internal sealed class MemoryTrimmer(ChunkPool pool, Func<long>? heap = null, Action? collect = null) : ITurnHandler
{
    private const long Keep = 4 << 20, WorthCollecting = 2 << 20, MuchGarbage = 4 << 20, Quiet = 1 << 20;

    /// <summary>How long traffic must have been calm.</summary>
    internal const long CalmFor = 2_000_000;

    private readonly Func<long> _heap = heap ?? (static () => GC.GetTotalMemory(forceFullCollection: false));
    private readonly Action _collect = collect ?? (static () => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true));
    private long _due = long.MaxValue;
    private long _busiest;
    private long _heapLooked;
    private long _heapCollected;
    private long _nextLook;

    /// <inheritdoc/>
    public long NextDeadline => _due;

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (_due == long.MaxValue)
        {
            if (pool.Idle <= Keep && (now < _nextLook || !IsHeapFull(now)))
                return;
            Wait(now);
        }

        // What was in use at some time within the period is likely to be wanted again.
        _busiest = Math.Max(_busiest, pool.InUse);
        if (now < _due)
            return;
        long dropped = pool.Trim(Math.Max(Keep, _busiest));
        long before = _heapLooked;
        bool full = IsHeapFull(now) && _heapLooked - before < Quiet;
        if (dropped >= WorthCollecting || full)
        {
            _collect();
            _heapCollected = _heapLooked = _heap();
        }

        if (pool.Idle > Keep || _heapLooked - _heapCollected >= MuchGarbage)
            Wait(now);
        else
            _due = long.MaxValue;
    }

    /// <summary>Whether much has come to the heap since the last collection. Looks.</summary>
    private bool IsHeapFull(long now)
    {
        _nextLook = now + CalmFor;
        _heapLooked = _heap();

        // The collector may have run by itself.
        _heapCollected = Math.Min(_heapCollected, _heapLooked);
        return _heapLooked - _heapCollected >= MuchGarbage;
    }

    private void Wait(long now)
    {
        _due = now + CalmFor;
        _busiest = 0;
    }
}
