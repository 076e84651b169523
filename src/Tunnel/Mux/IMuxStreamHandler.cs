namespace Telepresence.Tunnel.Mux;

/// <summary>What a <see cref="MuxStream"/> tells its owner.</summary>
/// <remarks>What does not concern every kind of stream has an empty default: bytes and datagrams never come on the same kind.</remarks>
public interface IMuxStreamHandler
{
    /// <summary>The far side accepted the stream that this side opened.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="info">What the far side wanted to say; valid during the call.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
    {
    }

    /// <summary>The far side refused the stream; it is closed.</summary>
    void OnRefused(MuxStream stream, RefuseCode code, string reason, long now);

    /// <summary>Bytes arrived, in order, once. They count against the window until <see cref="MuxStream.Consume"/>.</summary>
    void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
    {
    }

    /// <summary>A datagram arrived, in order, once. It counts as consumed when the call returns.</summary>
    void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now)
    {
    }

    /// <summary>The far side will send no more (half close).</summary>
    void OnEnd(MuxStream stream, long now);

    /// <summary>The stream is closed in both directions: reset by the far side, or its session ended.</summary>
    void OnReset(MuxStream stream, RefuseCode code, long now);

    /// <summary><see cref="MuxStream.SendSpace"/> grew.</summary>
    void OnSendSpace(MuxStream stream, long now)
    {
    }
}
