using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>What happens to a frame on a bad link; probabilities of 0 to 1.</summary>
internal sealed record Faults
{
    public double Loss { get; init; }
    public double Duplication { get; init; }
    public long Latency { get; init; } // µs that every frame takes; 0 delivers inside Send
    public double Delay { get; init; }
    public long MaxDelay { get; init; } = 5_000; // µs
    public double Corruption { get; init; } // one bit flips
    public double Full { get; init; } // the device says "queue full"

    public bool None => Loss == 0 && Duplication == 0 && Delay == 0 && Full == 0;
}

/// <summary>One direction of a link that loses, doubles and delays (so reorders) frames by a seed.</summary>
internal sealed class FaultyLink(Faults faults, int seed, Action<byte[], long> deliver)
{
    private readonly Random _random = new(seed);
    private readonly PriorityQueue<byte[], (long, long)> _delayed = new();
    private long _order;

    public long Lost { get; private set; }

    public long NextDeadline => _delayed.TryPeek(out _, out (long Due, long) key) ? key.Due : long.MaxValue;

    public void Send(byte[] frame, long now)
    {
        if (_random.NextDouble() < faults.Loss)
        {
            Lost++;
            return;
        }
        if (faults.Corruption > 0 && _random.NextDouble() < faults.Corruption)
        {
            frame = [.. frame];
            frame[_random.Next(VirtioNetHeader.Size, frame.Length)] ^= (byte)(1 << _random.Next(8));
        }
        if (_random.NextDouble() < faults.Duplication)
            Pass(frame, now);
        Pass(frame, now);
    }

    public void Poll(long now)
    {
        while (_delayed.TryPeek(out byte[]? frame, out (long Due, long) key) && key.Due <= now)
        {
            _delayed.Dequeue();
            deliver(frame, now);
        }
    }

    private void Pass(byte[] frame, long now)
    {
        if (_random.NextDouble() < faults.Delay)
            _delayed.Enqueue(frame, (now + faults.Latency + 1 + (long)(_random.NextDouble() * faults.MaxDelay), _order++));
        else if (faults.Latency > 0)
            _delayed.Enqueue(frame, (now + faults.Latency, _order++));
        else
            deliver(frame, now);
    }

    /// <summary>A gathered frame as one array.</summary>
    public static byte[] Join(ReadOnlySpan<IoVector> vectors)
    {
        int length = 0;
        foreach (IoVector vector in vectors)
            length += (int)vector.Length;
        byte[] frame = new byte[length];
        int at = 0;
        foreach (IoVector vector in vectors)
        {
            vector.Span.CopyTo(frame.AsSpan(at));
            at += (int)vector.Length;
        }
        return frame;
    }
}

/// <summary>Puts a bad link between the stack and its device.</summary>
internal sealed class FaultyOutput(Faults faults, int seed, Action<byte[], long> deliver, Func<long> clock) : IPacketOutput
{
    private readonly Random _random = new(seed ^ 0x5eed);

    public FaultyLink Link { get; } = new(faults, seed, deliver);

    public bool Send(ReadOnlySpan<IoVector> vectors)
    {
        if (_random.NextDouble() < faults.Full)
            return false;
        Link.Send(FaultyLink.Join(vectors), clock());
        return true;
    }
}
