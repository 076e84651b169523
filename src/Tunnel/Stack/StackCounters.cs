namespace Telepresence.Tunnel.Stack;

/// <summary>Running totals since the stack was made. Read them from the owner's thread.</summary>
public sealed class StackCounters
{
    /// <summary>Frames given to <see cref="NetworkStack.Receive"/>.</summary>
    public long PacketsIn { get; internal set; }

    /// <summary>Frames that the device took.</summary>
    public long PacketsOut { get; internal set; }

    /// <summary>Packets dropped because a length or field in them was impossible.</summary>
    public long Malformed { get; internal set; }

    /// <summary>Packets dropped because a checksum was wrong.</summary>
    public long BadChecksum { get; internal set; }

    /// <summary>Packets to multicast or broadcast addresses, which no tunnel flow can serve.</summary>
    public long Ignored { get; internal set; }

    /// <summary>Packets of protocols that are not carried (anything but TCP, UDP, echo).</summary>
    public long Unsupported { get; internal set; }

    /// <summary>Fragments received.</summary>
    public long Fragments { get; internal set; }

    /// <summary>Datagrams put together from fragments.</summary>
    public long Reassembled { get; internal set; }

    /// <summary>Reassemblies given up: overlap, time-out, or the bound.</summary>
    public long ReassemblyFailures { get; internal set; }

    /// <summary>ICMP errors sent.</summary>
    public long UnreachablesOut { get; internal set; }

    /// <summary>UDP datagrams received.</summary>
    public long DatagramsIn { get; internal set; }

    /// <summary>UDP datagrams sent.</summary>
    public long DatagramsOut { get; internal set; }

    /// <summary>UDP answers, echo replies and ICMP errors lost because they were too long or the device was full.</summary>
    public long DatagramsDropped { get; internal set; }

    /// <summary>TCP connections that a SYN opened.</summary>
    public long ConnectionsOpened { get; internal set; }

    /// <summary>TCP connections forgotten, for whatever reason.</summary>
    public long ConnectionsClosed { get; internal set; }

    /// <summary>SYNs dropped at a bound.</summary>
    public long SynsDropped { get; internal set; }

    /// <summary>RSTs accepted.</summary>
    public long ResetsIn { get; internal set; }

    /// <summary>RSTs sent.</summary>
    public long ResetsOut { get; internal set; }

    /// <summary>ACKs sent to challenge a suspicious RST, SYN or ACK (RFC 5961).</summary>
    public long ChallengeAcks { get; internal set; }

    /// <summary>Connections whose peer stopped answering.</summary>
    public long PeersVanished { get; internal set; }

    /// <summary>Data segments sent again.</summary>
    public long Retransmissions { get; internal set; }

    /// <summary>Times the retransmission timer expired.</summary>
    public long RetransmissionTimeouts { get; internal set; }

    /// <summary>Times duplicate ACKs or SACKs started a recovery.</summary>
    public long FastRetransmits { get; internal set; }

    /// <summary>Segments that arrived ahead of a gap.</summary>
    public long OutOfOrder { get; internal set; }

    /// <summary>Times the device's queue was full.</summary>
    public long OutputBlocked { get; internal set; }
}
