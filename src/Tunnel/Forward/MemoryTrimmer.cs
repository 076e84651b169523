using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>Gives memory that bulk traffic has left behind back to the system when traffic has calmed.</summary>
internal sealed class MemoryTrimmer(ChunkPool pool) : ITurnHandler
{
    private const long Keep = 4 << 20, WorthCollecting = 2 << 20, CalmFor = 2_000_000;

    private long _due = long.MaxValue;
    private long _busiest;

    /// <inheritdoc/>
    public long NextDeadline => _due;

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (pool.Idle <= Keep)
        {
            _due = long.MaxValue;
            return;
        }

        // What was in use at some time within the period is likely to be wanted again.
        if (_due == long.MaxValue)
            Wait(now);
        _busiest = Math.Max(_busiest, pool.InUse);
        if (now < _due)
            return;
        long dropped = pool.Trim(Math.Max(Keep, _busiest));
        if (dropped >= WorthCollecting)
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        Wait(now);
    }

    private void Wait(long now)
    {
        _due = now + CalmFor;
        _busiest = 0;
    }
}
