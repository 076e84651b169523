namespace Telepresence.Tunnel.Mux;

/// <summary>What a session has counted since it began.</summary>
public struct MuxCounters
{
    /// <summary>Bytes that links took, headers included.</summary>
    public long BytesSent;

    /// <summary>Bytes that came from links, headers included.</summary>
    public long BytesReceived;

    /// <summary>Sequenced frames handed to a link for the first time.</summary>
    public long FramesSent;

    /// <summary>Sequenced frames received in order.</summary>
    public long FramesReceived;

    /// <summary>Sequenced frames sent again on a later link.</summary>
    public long FramesReplayed;

    /// <summary>Frames received that had been received before, and were skipped.</summary>
    public long FramesDuplicate;

    /// <summary>Frames for streams that this side had already closed, and were skipped.</summary>
    public long FramesStray;

    /// <summary>Links whose handshake was completed.</summary>
    public long Links;

    /// <summary>Pings sent.</summary>
    public long Pings;

    /// <summary>Pings answered.</summary>
    public long Pongs;

    /// <summary>Streams opened by either side.</summary>
    public long StreamsOpened;

    /// <summary>Streams of the peer that this side refused by itself because of its limits.</summary>
    public long StreamsOverLimit;

    /// <summary>Datagrams dropped before sending because their stream's queue was full.</summary>
    public long DatagramsDropped;

    /// <summary>Breaches of the protocol by the peer: of a stream, a link or the session.</summary>
    public long ProtocolErrors;
}
