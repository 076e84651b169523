using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

/// <summary>
/// One TCP connection of a local program, ended here (RFC 9293). Single owner; every method is called on the stack's thread.
/// </summary>
/// <remarks>
/// <para><b>Theory of operation.</b> The peer is the kernel of this machine and the link is memory, so this is TCP with everything that
/// correctness needs and little else: no congestion control (the peer's window and the device's back-pressure bound what is in
/// flight), no delayed ACK timer (one ACK per loop turn, in <see cref="NetworkStack.Flush"/>), no Nagle, no timestamps. Loss is possible,
/// because a TUN queue drops when it is full; so retransmission (RFC 6298), fast retransmit with SACK (RFC 6675 in spirit) and a store
/// for data out of order are here. Connections are only ever opened by the peer.</para>
/// <para><b>Offsets.</b> Inside, both directions are counted in absolute 64-bit stream offsets, 0 being the first byte of data; sequence
/// numbers exist only on the wire (<c>SendSequence</c>, <c>ReceiveSequence</c>). A FIN takes the offset behind the last byte. That removes
/// wrap-around from every comparison but the first.</para>
/// <para><b>Files.</b> In the order in which a connection meets them: <c>State</c> (open, refuse, close), <c>Receive</c> (segment in),
/// <c>Acknowledge</c> (what it says about our data), <c>Window</c> (what we let the peer send), <c>Send</c> (segments out),
/// <c>Timers</c>.</para>
/// <para><b>Memory.</b> An idle connection holds this object, a queue without chunks once it has sent, and its places in the flow
/// table and the timer heap; no buffers.</para>
/// </remarks>
public sealed partial class TcpConnection
{
    private enum Phase : byte { Dialing, SynReceived, Open, Closed }

    private readonly NetworkStack _stack;
    private readonly uint _irs; // the peer's initial sequence number
    private readonly uint _iss; // ours
    private readonly byte _sendShift; // scale of the windows that the peer advertises
    private readonly byte _receiveShift; // scale of ours
    private readonly bool _windowScaling;
    private readonly bool _sackPermitted;
    private readonly int _mss; // payload bytes per segment towards the peer
    private readonly int _maxBurst; // payload bytes per frame towards the device
    private Phase _phase;

    internal TcpConnection(NetworkStack stack, in FlowKey flow, in TcpHeader syn, uint iss, long now)
    {
        _stack = stack;
        Flow = flow;
        _irs = syn.Sequence;
        _iss = iss;
        TcpOptions options = TcpOptions.Parse(syn.Options);
        _windowScaling = options.WindowShift >= 0;
        _sendShift = (byte)Math.Max(0, options.WindowShift);
        _receiveShift = _windowScaling ? stack.WindowShift : (byte)0;
        _sackPermitted = options.SackPermitted;
        int headers = (flow.IsIPv4 ? IPv4Header.MinimumSize : IPv6Header.Size) + TcpHeader.MinimumSize;
        // RFC 9293 §3.7.1: without the option 536 (IPv4) or 1220 (IPv6). The floor keeps a hostile option from making dust of a stream.
        int offered = options.MaximumSegmentSize > 0 ? options.MaximumSegmentSize : flow.IsIPv4 ? 536 : 1220;
        _mss = Math.Min(Math.Max(offered, 88), stack.Options.Mtu - headers);
        int largest = ushort.MaxValue - headers;
        _maxBurst = !stack.Options.Offload || _mss >= largest ? Math.Min(_mss, largest) : largest - largest % _mss;
        _sendEdge = syn.Window;
        _peerWindowSeen = syn.Window;
        _windowTarget = stack.Options.InitialReceiveWindow;
        _lastHeard = now;
        _retransmitAt = now + stack.Options.DialLimit;
    }

    /// <summary>The local program's address and port, and the destination that it dialed.</summary>
    public FlowKey Flow { get; }

    /// <summary>Who is told what happens; set in <see cref="IFlowHandler.OnTcpOpen"/>, at the latest before <see cref="Accept"/>.</summary>
    public ITcpHandler? Handler { get; set; }

    /// <summary>Free for the bridge.</summary>
    public object? Tag { get; set; }

    /// <summary>Where the connection is in its life.</summary>
    public TcpState State => _phase switch
    {
        Phase.Dialing => TcpState.Dialing,
        Phase.SynReceived => TcpState.SynReceived,
        Phase.Closed => TcpState.Closed,
        _ when !_finSent => _finReceived ? TcpState.CloseWait : TcpState.Established,
        _ when !_finReceived => _finAcknowledged ? TcpState.FinWait2 : TcpState.FinWait1,
        _ => _finSentFirst ? TcpState.Closing : TcpState.LastAck,
    };

    /// <summary>Payload bytes per segment that the peer accepts.</summary>
    public int MaximumSegmentSize => _mss;

    /// <summary>Place in the timer heap; -1 when not in it.</summary>
    internal int TimerIndex { get; set; } = -1;

    /// <summary>When the heap calls; at or before the true deadline.</summary>
    internal long TimerKey { get; set; }

    /// <summary>Whether it is in the list that the next flush walks.</summary>
    internal bool IsTouched { get; set; }

    internal bool IsClosed => _phase == Phase.Closed;

    internal bool IsHalfOpen => _phase is Phase.Dialing or Phase.SynReceived;

    /// <summary>Whether a SYN is the one that opened this connection, sent again.</summary>
    internal bool IsOpenedBy(uint sequence) => sequence == _irs;

    private uint SendSequence(long offset) => _iss + 1 + (uint)offset;

    private uint ReceiveSequence(long offset) => _irs + 1 + (uint)offset;
}
