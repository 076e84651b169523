namespace Telepresence.Tunnel.Mux;

/// <summary>What a <see cref="MuxSession"/> tells its owner. Calls come from inside the session's own methods, on the caller's thread.</summary>
/// <remarks>A handler may call any method of the session and of its streams, except <see cref="MuxSession.Receive"/>,
/// <see cref="MuxSession.Gather"/> and <see cref="MuxSession.Sent"/>.</remarks>
public interface IMuxSessionHandler
{
    /// <summary>The first handshake is complete.</summary>
    void OnEstablished(long now);

    /// <summary>The link is gone; streams wait for the next one.</summary>
    void OnSuspended(string reason, long now);

    /// <summary>A new link took over; nothing was lost.</summary>
    void OnResumed(long now);

    /// <summary>The session is over. Its streams have been told already. A goodbye may still be waiting in
    /// <see cref="MuxSession.Gather"/>; after it the caller closes the link.</summary>
    void OnEnded(string reason, long now);

    /// <summary>The peer opened a stream. Set <see cref="MuxStream.Handler"/> here; accept or refuse now or later.</summary>
    /// <param name="stream">The new stream; data may arrive before it is accepted.</param>
    /// <param name="target">Encoded address or name; valid during the call.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    void OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now);

    /// <summary>The session has given up the current link (no answer, broken framing, replaced by another): close its descriptor.
    /// The session no longer uses it; do not call <see cref="MuxSession.LinkDown"/> for it.</summary>
    void OnLinkDead(string reason, long now);

    /// <summary><see cref="MuxSession.HasOutput"/> became true outside <see cref="MuxSession.Receive"/>.</summary>
    void OnOutput();
}
