using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>One direction of an in-memory link: bytes on their way, with delay, rate and capacity.</summary>
internal sealed class FakePipe
{
    private readonly Queue<(long Arrives, byte[] Bytes)> _inFlight = new();
    private ReadOnlyMemory<byte> _arrived;
    private long _free;

    /// <summary>One-way delay in microseconds.</summary>
    internal long Delay { get; init; }

    /// <summary>Bytes per second; 0 for no limit.</summary>
    internal long Rate { get; init; }

    /// <summary>Most bytes that have been put in and not been taken out; like a socket's buffers.</summary>
    internal int Capacity { get; init; } = int.MaxValue;

    internal int Buffered { get; private set; }

    internal int Room => Capacity - Buffered;

    /// <summary>When the next bytes arrive.</summary>
    internal long NextArrival => _arrived.Length > 0 ? long.MinValue : _inFlight.Count > 0 ? _inFlight.Peek().Arrives : long.MaxValue;

    internal void Put(byte[] bytes, long now)
    {
        if (bytes.Length == 0)
            return;
        _free = Math.Max(_free, now) + (Rate == 0 ? 0 : bytes.Length * 1_000_000L / Rate);
        _inFlight.Enqueue((_free + Delay, bytes));
        Buffered += bytes.Length;
    }

    /// <summary>Takes at most <paramref name="max"/> of the bytes that have arrived.</summary>
    internal ReadOnlySpan<byte> Take(int max, long now)
    {
        if (_arrived.IsEmpty && _inFlight.Count > 0 && _inFlight.Peek().Arrives <= now)
            _arrived = _inFlight.Dequeue().Bytes;
        ReadOnlyMemory<byte> taken = _arrived[..Math.Min(max, _arrived.Length)];
        _arrived = _arrived[taken.Length..];
        Buffered -= taken.Length;
        return taken.Span;
    }
}

/// <summary>A link between a client and a proxy that can be cut at any byte.</summary>
internal sealed class FakeLink(FakePipe up, FakePipe down)
{
    internal FakePipe Up { get; } = up;

    internal FakePipe Down { get; } = down;

    /// <summary>Nothing passes any more, whether or not the two ends know it.</summary>
    internal bool Broken { get; set; }

    /// <summary>Bytes that the proxy's door has seen before it could decide.</summary>
    internal List<byte> Knocking { get; } = [];
}

internal static class Wire
{
    /// <summary>Moves what a session wants to say into a pipe, at most <paramref name="max"/> bytes.</summary>
    /// <returns>Bytes moved.</returns>
    internal static int Send(MuxSession session, FakePipe pipe, int max, long now, int gather = 65536)
    {
        Span<IoVector> vectors = stackalloc IoVector[64];
        int filled = session.Gather(vectors, gather, now);

        // A loop that is told of output turns at once: were it told so again for nothing, it would turn for ever.
        if (filled == 0)
            Assert.False(session.HasOutput);
        byte[] bytes = new byte[Math.Min(max, Total(vectors[..filled]))];
        int moved = 0;
        for (int i = 0; moved < bytes.Length; i++)
        {
            ReadOnlySpan<byte> span = vectors[i].Span;
            span = span[..Math.Min(span.Length, bytes.Length - moved)];
            span.CopyTo(bytes.AsSpan(moved));
            moved += span.Length;
        }

        pipe.Put(bytes, now);
        session.Sent(moved, now);
        return moved;
    }

    private static int Total(ReadOnlySpan<IoVector> vectors)
    {
        int total = 0;
        foreach (IoVector vector in vectors)
            total += (int)vector.Length;
        return total;
    }
}
