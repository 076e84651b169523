namespace Telepresence.Tunnel.Mux;

/// <summary>Why a link was turned away at its hello. Every one of them ends the client's session.</summary>
public enum HelloRefusal : byte
{
    /// <summary>Not refused.</summary>
    None = 0,

    /// <summary>Client and proxy are of different versions.</summary>
    WrongVersion = 1,

    /// <summary>The key is not the one that this proxy was started with.</summary>
    BadKey = 2,

    /// <summary>The client wants to resume a session that this proxy does not have (it was restarted, or gave up waiting).</summary>
    UnknownSession = 3,

    /// <summary>Client and proxy disagree about what was sent; one of them has lost its memory.</summary>
    OutOfStep = 4,

    /// <summary>The proxy serves as many sessions as it can.</summary>
    TooManySessions = 5,

    /// <summary>What came first on the link is not a hello.</summary>
    NotAHello = 6,
}
