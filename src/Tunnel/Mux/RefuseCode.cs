namespace Telepresence.Tunnel.Mux;

/// <summary>Why a stream was refused or reset, in terms that a TCP/IP stack can show to a program.</summary>
public enum RefuseCode : byte
{
    /// <summary>No particular reason: the program closed it abruptly (TCP RST).</summary>
    None = 0,

    /// <summary>Nobody listens there (ECONNREFUSED).</summary>
    Refused = 1,

    /// <summary>The host cannot be reached (EHOSTUNREACH).</summary>
    HostUnreachable = 2,

    /// <summary>The network cannot be reached (ENETUNREACH).</summary>
    NetUnreachable = 3,

    /// <summary>No answer in time (ETIMEDOUT).</summary>
    TimedOut = 4,

    /// <summary>No such name or service.</summary>
    NotFound = 5,

    /// <summary>Not allowed (EACCES, EPERM).</summary>
    Prohibited = 6,

    /// <summary>The port is taken (EADDRINUSE).</summary>
    AddressInUse = 7,

    /// <summary>The address is not one of this host's (EADDRNOTAVAIL).</summary>
    AddressNotAvailable = 8,

    /// <summary>The connection was reset by its far end (ECONNRESET).</summary>
    ConnectionReset = 9,

    /// <summary>The far side does not know this kind of stream.</summary>
    Unsupported = 10,

    /// <summary>The far side is out of streams, memory or descriptors.</summary>
    NoResources = 11,

    /// <summary>The peer broke the rules of this stream.</summary>
    ProtocolError = 12,

    /// <summary>Anything else; the reason text says what.</summary>
    Internal = 13,

    /// <summary>Never sent: the session that carried the stream has ended.</summary>
    SessionEnded = 255,
}
