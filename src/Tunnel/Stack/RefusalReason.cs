namespace Telepresence.Tunnel.Stack;

/// <summary>Why a flow could not be carried, and with it what the local program is told.</summary>
public enum RefusalReason
{
    /// <summary>Nobody listens there: RST for TCP, ICMP port unreachable for UDP (ECONNREFUSED).</summary>
    Refused,

    /// <summary>ICMP host unreachable, ICMPv6 address unreachable (EHOSTUNREACH).</summary>
    HostUnreachable,

    /// <summary>ICMP network unreachable, ICMPv6 no route (ENETUNREACH).</summary>
    NetUnreachable,

    /// <summary>ICMP communication administratively prohibited (EHOSTUNREACH; EACCES over IPv6).</summary>
    AdminProhibited,

    /// <summary>Nothing is answered: the program waits for its own time-out, as it would without us (ETIMEDOUT).</summary>
    Timeout,
}
