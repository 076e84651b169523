namespace Telepresence.Tunnel.Stack;

/// <summary>Sizes, limits and times of a <see cref="NetworkStack"/>. Times are microseconds, sizes bytes.</summary>
public sealed record StackOptions
{
    private const long Millisecond = 1_000, Second = 1_000_000;

    /// <summary>MTU of the TUN device.</summary>
    public int Mtu { get; init; } = 65_520;

    /// <summary>Whether the device takes partial checksums and super-packets (TUN with IFF_VNET_HDR). Without it the stack sums and cuts itself.</summary>
    public bool Offload { get; init; } = true;

    /// <summary>txqueuelen of the device: the packets it holds before it drops.</summary>
    public int TransmitQueueLength { get; init; } = 10_000;

    /// <summary>Largest window advertised per connection. 256 KiB to 1 MiB keeps what is in flight in the cache and the queue short.</summary>
    public int MaxReceiveWindow { get; init; } = 512 * 1024;

    /// <summary>Window a connection starts with; it doubles while it is being used up. It is also what is granted when the common budget is spent, unless the queue is short.</summary>
    public int InitialReceiveWindow { get; init; } = 64 * 1024;

    /// <summary>
    /// Sum of the windows advertised to all connections above which none grows any more: the TUN queue drops when full, and
    /// the collapse that follows costs a factor of 25. 0 derives it from MTU and queue length.
    /// </summary>
    public long WindowBudget { get; init; }

    /// <summary>Bytes that the send queue of one connection holds: unsent and unacknowledged.</summary>
    public int SendBuffer { get; init; } = 8 * 1024 * 1024;

    /// <summary>Connections in all states; SYNs above it are dropped.</summary>
    public int MaxConnections { get; init; } = 65_536;

    /// <summary>Connections still dialing or shaking hands; SYNs above it are dropped.</summary>
    public int MaxHalfOpen { get; init; } = 4_096;

    /// <summary>Connections that may hold data received out of order at the same time, a window each.</summary>
    public int MaxOutOfOrderStores { get; init; } = 64;

    /// <summary>How long a far side may be dialed before the half-open connection is forgotten in silence. Linux gives up after 127 s.</summary>
    public long DialLimit { get; init; } = 130 * Second;

    /// <summary>Retransmission time-out before anything was measured (RFC 6298 §2.1).</summary>
    public long InitialRto { get; init; } = 1 * Second;

    /// <summary>Lower bound of the retransmission time-out; above the 40 ms for which Linux may delay an ACK.</summary>
    public long MinRto { get; init; } = 200 * Millisecond;

    /// <summary>Upper bound of the retransmission time-out. The peer is a kernel on this machine: longer makes no sense.</summary>
    public long MaxRto { get; init; } = 10 * Second;

    /// <summary>Unanswered retransmissions or probes after which the peer counts as gone.</summary>
    public int MaxRetransmissions { get; init; } = 12;

    /// <summary>Silence after which the peer is probed (RFC 9293 §3.8.4).</summary>
    public long KeepAliveIdle { get; init; } = 120 * Second;

    /// <summary>Time between unanswered keepalive probes.</summary>
    public long KeepAliveInterval { get; init; } = 15 * Second;

    /// <summary>Unanswered keepalive probes after which the peer counts as gone.</summary>
    public int KeepAliveProbes { get; init; } = 5;

    /// <summary>How long a closed connection's last ACK can be repeated. No packet lives longer than the TUN queue, so not two minutes.</summary>
    public long TimeWait { get; init; } = 10 * Second;

    /// <summary>Connections kept in TIME-WAIT; the oldest goes first.</summary>
    public int MaxTimeWait { get; init; } = 16_384;

    /// <summary>Datagrams being put together from fragments, 64 KiB each.</summary>
    public int MaxReassemblies { get; init; } = 32;

    /// <summary>How long fragments wait for their rest.</summary>
    public long ReassemblyTimeout { get; init; } = 15 * Second;

    /// <summary>What a connection may be promised without being counted: the first window, unless the queue is so short that a few of them would fill it.</summary>
    internal int UncountedWindow => (int)Math.Min(InitialReceiveWindow, EffectiveWindowBudget / 16);

    /// <summary>Half of what the device's queue holds if every packet is full: the other half is for small packets, ACKs and datagrams.</summary>
    internal long EffectiveWindowBudget =>
        WindowBudget > 0 ? WindowBudget : Math.Min(64L * 1024 * 1024, (long)TransmitQueueLength * (Mtu - 40) / 2);
}
