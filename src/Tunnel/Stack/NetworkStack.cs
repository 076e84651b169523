using System.Numerics;
using System.Security.Cryptography;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

/// <summary>
/// The userspace TCP/IP behind one TUN device: ends the TCP connections that local programs open, hands over their datagrams and pings,
/// and writes the answers. Sans-I/O and single-threaded: time (µs, monotonic) is an argument, packets come in through
/// <see cref="Receive"/> and leave through <see cref="IPacketOutput"/>, and <see cref="NextDeadline"/> says when to call again.
/// </summary>
/// <remarks>
/// <para><b>A packet's way.</b> <c>Ip</c> (lengths, checksums, fragments) → <c>Tcp</c> (which connection) → <see cref="TcpConnection"/>, or
/// <c>Messages</c> (UDP, echo, what is refused) → the handler. Out: <c>Output</c>.</para>
/// <para><b>A turn of the owner's loop.</b> Any number of <see cref="Receive"/> and calls on connections, <see cref="Poll"/> when
/// <see cref="NextDeadline"/> has passed, then one <see cref="Flush"/>: only there do data segments and acknowledgments leave, so 64 frames
/// read cost one ACK per connection, and an answer carries the ACK of its request.</para>
/// <para><b>Limits.</b> No forwarding, no listening, no connecting: flows come from the device. Malformed input is dropped and
/// counted. TCP urgent data is delivered in line; timestamps are not used (the link is memory and cannot replay a sequence number).</para>
/// </remarks>
public sealed partial class NetworkStack
{
    private const long BlockedRetry = 1_000;

    private readonly IPacketOutput _output;
    private readonly IFlowHandler _handler;
    private readonly Dictionary<FlowKey, TcpConnection> _connections = [];
    private readonly Reassembler _reassembler;
    private readonly ulong _sequenceSecret = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));
    private TcpConnection[] _touched = new TcpConnection[64];
    private int _touchedCount;
    private TcpConnection? _recent; // the connection that the last segment belonged to
    private long _blockedUntil;
    private long _promisesReleased = long.MinValue / 2;
    private RateLimit _refusals = new(burst: 100, perSecond: 1000);

    /// <summary>A stack for one device.</summary>
    /// <param name="options">Sizes and times.</param>
    /// <param name="pool">Where send queues take their memory; may be shared with others on the same thread.</param>
    /// <param name="output">The device.</param>
    /// <param name="handler">Who decides about flows.</param>
    public NetworkStack(StackOptions options, ChunkPool pool, IPacketOutput output, IFlowHandler handler)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Mtu, 1280, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Mtu, 65_535, nameof(options));
        Options = options;
        Pool = pool;
        _output = output;
        _handler = handler;
        Budget = new WindowBudget(options.EffectiveWindowBudget, options.UncountedWindow);
        TimeWait = new TimeWaitTable(options.MaxTimeWait, options.TimeWait);
        _reassembler = new Reassembler(options.MaxReassemblies, options.ReassemblyTimeout, Counters);
        // The smallest scale in which the largest window can be said.
        int units = (options.MaxReceiveWindow + ushort.MaxValue - 1) / ushort.MaxValue;
        WindowShift = (byte)Math.Min(TcpOptions.MaximumWindowShift, BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, units))));
    }

    /// <summary>Running totals.</summary>
    public StackCounters Counters { get; } = new();

    /// <summary>Connections known now, in every state.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>When <see cref="Poll"/> wants to be called, µs; <see cref="long.MaxValue"/> when never. May be earlier than strictly needed.</summary>
    public long NextDeadline
    {
        get
        {
            long deadline = Timers.Earliest;
            if (_reassembler.Count > 0)
                deadline = Math.Min(deadline, _reassembler.NextDeadline);
            return Blocked ? Math.Min(deadline, _blockedUntil) : deadline;
        }
    }

    internal StackOptions Options { get; }
    internal ChunkPool Pool { get; }
    internal TimerHeap Timers { get; } = new();
    internal WindowBudget Budget { get; }
    internal TimeWaitTable TimeWait { get; }
    internal byte WindowShift { get; }
    internal long Now { get; private set; }
    internal int HalfOpen { get; set; }
    internal int OutOfOrderStores { get; set; }

    /// <summary>The device was full; nothing is tried before <see cref="OutputReady"/> or a short while.</summary>
    internal bool Blocked { get; private set; }

    internal ref RateLimit Challenges => ref _challenges;

    private RateLimit _challenges = new(burst: 100, perSecond: 1000);

    /// <summary>Takes one frame as the device gave it: a 10-byte virtio_net_hdr and an IP packet, which may be a super-packet of up to 64 KiB with a partial checksum.</summary>
    public void Receive(ReadOnlySpan<byte> frame, long now)
    {
        Now = now;
        Counters.PacketsIn++;
        if (!VirtioNetHeader.TryRead(frame, out VirtioNetHeader header) || frame.Length == VirtioNetHeader.Size)
        {
            Counters.Malformed++;
            return;
        }
        ReadOnlySpan<byte> packet = frame[VirtioNetHeader.Size..];
        switch (packet[0] >> 4)
        {
            case 4:
                ReceiveIPv4(packet, header.ChecksumTrusted);
                break;
            case 6:
                ReceiveIPv6(packet, header);
                break;
            default:
                Counters.Malformed++;
                break;
        }
    }

    /// <summary>End of a loop turn: sends what the connections touched in this turn have to say.</summary>
    public void Flush(long now)
    {
        Now = now;
        int kept = 0;
        for (int i = 0; i < _touchedCount; i++)
        {
            TcpConnection connection = _touched[i];
            if (!Blocked)
                connection.Output(now);
            // What met a full device is kept.
            if (Blocked && !connection.IsClosed)
                _touched[kept++] = connection;
            else
                connection.IsTouched = false;
        }
        Array.Clear(_touched, kept, _touchedCount - kept);
        _touchedCount = kept;
        if (kept > 1)
        {
            // The one that was refused goes to the end: should the device refuse it for good, the others are not held up by it.
            TcpConnection refused = _touched[0];
            Array.Copy(_touched, 1, _touched, 0, kept - 1);
            _touched[kept - 1] = refused;
        }
    }

    /// <summary>Runs the timers that have expired, and sends what they caused.</summary>
    public void Poll(long now)
    {
        Now = now;
        if (Blocked && now >= _blockedUntil)
            Blocked = false;
        while (Timers.TakeExpired(now) is { } connection)
            connection.OnTimer(now);
        if (_reassembler.Count > 0)
            _reassembler.Expire(now);
        TimeWait.Expire(now);
        Flush(now);
    }

    /// <summary>The device takes packets again after <see cref="IPacketOutput.Send"/> returned false.</summary>
    public void OutputReady(long now)
    {
        Blocked = false;
        Flush(now);
    }

    /// <summary>Resets every connection, as when the tunnel's far end is lost. Handlers are not called.</summary>
    public void AbortAll(long now)
    {
        foreach (TcpConnection connection in _connections.Values.ToArray())
            connection.Abort(now);
    }

    /// <summary>Takes what resting connections were promised out of the budget. It looks at all of them, so not more often than one can come to rest.</summary>
    /// <returns>Whether it looked.</returns>
    internal bool ReleasePromisesOfResting()
    {
        if (Now - _promisesReleased < TcpConnection.Rest)
            return false;
        _promisesReleased = Now;
        foreach (TcpConnection connection in _connections.Values)
            connection.ReleasePromiseOfResting(Now);
        return true;
    }

    /// <summary>A call from outside came in at <paramref name="now"/>.</summary>
    internal void Enter(long now) => Now = now;

    /// <summary>Puts a connection on the list that the next <see cref="Flush"/> walks.</summary>
    internal void Touch(TcpConnection connection)
    {
        if (connection.IsTouched || connection.IsClosed)
            return;
        connection.IsTouched = true;
        if (_touchedCount == _touched.Length)
            Array.Resize(ref _touched, _touchedCount * 2);
        _touched[_touchedCount++] = connection;
    }

    /// <summary>Takes a connection out of every table.</summary>
    internal void Forget(TcpConnection connection)
    {
        if (connection.IsClosed)
            return;
        if (connection.IsHalfOpen)
            HalfOpen--;
        _connections.Remove(connection.Flow);
        Timers.Remove(connection);
        if (_recent == connection)
            _recent = null;
        Counters.ConnectionsClosed++;
    }
}
