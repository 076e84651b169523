namespace Telepresence.Tunnel.Mux;

/// <summary>Life of a <see cref="MuxSession"/>.</summary>
public enum SessionState
{
    /// <summary>No link has carried a complete handshake yet.</summary>
    Connecting,

    /// <summary>A link is up and frames flow.</summary>
    Established,

    /// <summary>The link is gone; streams live on and wait for the next link.</summary>
    Suspended,

    /// <summary>Over for good; <see cref="MuxSession.EndReason"/> says why.</summary>
    Ended,
}

/// <summary>Which end of the session this is.</summary>
public enum SessionRole
{
    /// <summary>Brings the links, sends the hello, opens streams with odd numbers.</summary>
    Client,

    /// <summary>Accepts links, answers the hello, opens streams with even numbers.</summary>
    Server,
}
