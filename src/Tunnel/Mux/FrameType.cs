namespace Telepresence.Tunnel.Mux;

/// <summary>The frame types of SPEC.md. Types below 16 belong to the link, the others are sequenced and replayed.</summary>
internal enum FrameType : byte
{
    /// <summary>Everything before the sequence number has been received.</summary>
    Ack = 1,

    /// <summary>Asks for a <see cref="Pong"/>.</summary>
    Ping = 2,

    /// <summary>Gives back a ping's token.</summary>
    Pong = 3,

    /// <summary>The session ends.</summary>
    Goodbye = 4,

    /// <summary>Begins a stream.</summary>
    Open = 16,

    /// <summary>The opened stream is wanted.</summary>
    Accept = 17,

    /// <summary>The opened stream is not wanted.</summary>
    Refuse = 18,

    /// <summary>Bytes of a stream.</summary>
    Data = 19,

    /// <summary>One datagram of a stream.</summary>
    Datagram = 20,

    /// <summary>No more data in this direction.</summary>
    End = 21,

    /// <summary>Both directions are over at once.</summary>
    Reset = 22,

    /// <summary>How far the peer may send.</summary>
    Credit = 23,
}
