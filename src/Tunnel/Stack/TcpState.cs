namespace Telepresence.Tunnel.Stack;

/// <summary>State of a connection (RFC 9293 §3.3.2). TIME-WAIT is not among them: the stack keeps no connection for it.</summary>
public enum TcpState
{
    /// <summary>A SYN has come; the far side is being dialed and nothing was answered.</summary>
    Dialing,

    /// <summary>The SYN-ACK is out.</summary>
    SynReceived,

    /// <summary>Both directions open.</summary>
    Established,

    /// <summary>Our FIN is out, not acknowledged; the peer still sends.</summary>
    FinWait1,

    /// <summary>Our FIN is acknowledged; the peer still sends.</summary>
    FinWait2,

    /// <summary>The peer's FIN is in; we still send.</summary>
    CloseWait,

    /// <summary>Both FINs crossed; ours is not acknowledged.</summary>
    Closing,

    /// <summary>Our FIN followed the peer's and is not acknowledged.</summary>
    LastAck,

    /// <summary>The stack has forgotten it.</summary>
    Closed,
}
