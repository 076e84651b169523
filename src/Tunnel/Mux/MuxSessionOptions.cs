namespace Telepresence.Tunnel.Mux;

/// <summary>Settings of a session. All times in microseconds, all sizes in bytes.</summary>
public sealed record MuxSessionOptions
{
    /// <summary>Longest version text that fits a hello, in UTF-8 bytes.</summary>
    public const int MaxVersionBytes = 64;

    /// <summary>This program's version; both sides must say the same.</summary>
    public required string Version { get; init; }

    /// <summary>Names the session across its links: 16 random bytes that the client chose.</summary>
    public Guid SessionId { get; init; }

    /// <summary>The session key, 32 bytes, sent by the client in its hello. Empty on the server, which knows only its hash.</summary>
    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>How much a peer may send on a stream before it is accepted, and the window that every stream has however many there are:
    /// only their number bounds the sum.</summary>
    public int EarlyWindow { get; init; } = 64 * 1024;

    /// <summary>Receive window of an accepted stream before it has proved to need more, while half of <see cref="MaxReceiveMemory"/> is free.</summary>
    public int InitialWindow { get; init; } = 256 * 1024;

    /// <summary>Largest receive window of one stream, and most bytes that one stream keeps for sending.</summary>
    public int MaxWindow { get; init; } = 8 * 1024 * 1024;

    /// <summary>Sum of what receive windows have beyond <see cref="EarlyWindow"/>. A stream that has rested for <see cref="WindowRest"/> does
    /// not count; since a promise cannot be taken back, it may still use its old one once, and all such promises together are three times this at most.</summary>
    public long MaxReceiveMemory { get; init; } = 64L * 1024 * 1024;

    /// <summary>How long nothing must have come on a stream before another one that needs its window may have it.</summary>
    public long WindowRest { get; init; } = 1_000_000;

    /// <summary>Bytes kept for sending over all streams, from which on <see cref="MuxStream.SendSpace"/> is 0 until the peer acknowledges.
    /// What was promised before may still come on top.</summary>
    public long MaxSendMemory { get; init; } = 64L * 1024 * 1024;

    /// <summary>Most bytes of datagrams that wait unsent on one stream; a datagram that does not fit is dropped.</summary>
    public int DatagramQueue { get; init; } = 256 * 1024;

    /// <summary>
    /// Largest data frame while one stream sends alone. The proxy gives each frame to its socket with one call, which wakes the reader
    /// there, so larger is cheaper; a header and this make 64 KiB less a little.
    /// </summary>
    public int MaxFrame { get; init; } = 64 * 1024 - 256;

    /// <summary>Largest data frame while several streams compete, and what each gets per round.</summary>
    public int SharedFrame { get; init; } = 32 * 1024;

    /// <summary>Bytes of data frames that may be on their way at once over a link of which nothing is known yet.</summary>
    public int LinkWindow { get; init; } = 512 * 1024;

    /// <summary>Least of them, so that a process that waits for its turn is not taken for a queue.</summary>
    public int MinLinkWindow { get; init; } = 256 * 1024;

    /// <summary>Most of them.</summary>
    public int MaxLinkWindow { get; init; } = 32 * 1024 * 1024;

    /// <summary>Whether links lead straight from the client's socket to the proxy's, and not through other programs, as a port-forward does.
    /// The client knows, and tells the proxy in its hello. Only the benchmark has such links.</summary>
    public bool DirectLink { get; init; }

    /// <summary>How long a frame should stand in the queues along a direct link when there is bulk. A quarter of the round trip if that is longer.</summary>
    public long DirectLinkQueue { get; init; } = 250;

    /// <summary>The same for other links, whose programs hand on more at once, with less work for each byte, when more waits.</summary>
    public long RelayedLinkQueue { get; init; } = 10_000;

    /// <summary>Most streams open at once, both directions together; further ones are refused.</summary>
    public int MaxStreams { get; init; } = 16 * 1024;

    /// <summary>Most streams of the peer that wait to be accepted or refused; further ones are refused.</summary>
    public int MaxPendingOpens { get; init; } = 4 * 1024;

    /// <summary>Most control frames that wait to be sent; a peer that provokes more ends the session.</summary>
    public int MaxControlQueue { get; init; } = 64 * 1024;

    /// <summary>Most frames that may be sent without having been acknowledged.</summary>
    public int MaxUnacknowledgedFrames { get; init; } = 64 * 1024;

    /// <summary>Longest delay of an acknowledgement.</summary>
    public long AckDelay { get; init; } = 20_000;

    /// <summary>Received bytes after which an acknowledgement goes out although the peer has not asked for it.</summary>
    public int AckBytes { get; init; } = 1024 * 1024;

    /// <summary>Time between pings.</summary>
    public long PingInterval { get; init; } = 3_000_000;

    /// <summary>A link from which nothing came for this long although it was asked is dead; also the limit for the handshake.</summary>
    public long LinkTimeout { get; init; } = 10_000_000;

    /// <summary>A session without a link for this long ends.</summary>
    public long SessionTimeout { get; init; } = 15L * 60 * 1_000_000;

    /// <summary>Number of the first frame in both directions: 0 on the wire; tests begin just before the 32 bits run over.</summary>
    internal long FirstSequence { get; init; }
}
