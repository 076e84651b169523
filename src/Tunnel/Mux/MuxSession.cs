using System.Buffers.Binary;
using System.Text;
using Telepresence.Tunnel.Buffers;

namespace Telepresence.Tunnel.Mux;

/// <summary>
/// Many streams over one link <em>after another</em>: a state machine without clock, socket, task or lock (SPEC.md is its wire format).
/// </summary>
/// <remarks>
/// <para><b>Theory of operation.</b> A link is one ordered byte stream to the peer; it may break at any byte. A session outlives
/// its links. Each sequenced frame has a number; the sender keeps the frame (as a record that names bytes in a send queue) until
/// the peer has acknowledged it. On a new link both sides say which number they expect, and each goes on from there. A frame that
/// the cut split in two is sent again whole, and the receiver skips the part that it had.</para>
/// <para><b>Sending.</b> <see cref="Gather"/> names the next bytes for the link, in this order: the rest of a frame that the link
/// took in part; link frames (acknowledgement, ping); frames to replay; control frames; credits; data, by the scheduler. Frames get
/// their number there and not before. <see cref="Sent"/> says how much the link took; data frames of which it took nothing are
/// taken back, so a stream that speaks up late is never behind more than one frame.</para>
/// <para><b>Receiving.</b> <see cref="Receive"/> takes any slicing. Data goes to the handler straight from the caller's buffer.</para>
/// <para><b>Faults.</b> A stream that breaks its own rules is reset. Broken framing costs the link; the session resumes over
/// the next one. Contradictions that a new link cannot heal end the session.</para>
/// <para>Not thread-safe. <c>now</c> is in microseconds, monotonic.</para>
/// </remarks>
public sealed partial class MuxSession
{
    private readonly IMuxSessionHandler _handler;
    private readonly ChunkPool _pool;
    private readonly Dictionary<uint, MuxStream> _streams = [];
    private readonly SentLog _log;
    private readonly ControlQueue _control;
    private readonly StreamScheduler _scheduler;
    private MuxCounters _counters;
    private uint _nextStreamId;
    private int _pendingOpens;
    private long _windowsReserved;
    private long _restedAt = long.MinValue / 2;
    private LinkWindow _linkWindow;
    private long _queuedBytes;
    private bool _memoryWasShort;
    private uint _peerEarlyWindow;

    /// <summary>Makes a session that has no link yet.</summary>
    /// <param name="role">Which end this is.</param>
    /// <param name="options">Settings.</param>
    /// <param name="pool">Memory for what waits to be sent or acknowledged; shared by everything on one event loop.</param>
    /// <param name="handler">Who is told.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    public MuxSession(SessionRole role, MuxSessionOptions options, ChunkPool pool, IMuxSessionHandler handler, long now)
    {
        if (role == SessionRole.Client && options.Key.Length != Hello.KeySize)
            throw new ArgumentException($"The session key must have {Hello.KeySize} bytes.", nameof(options));
        if (Encoding.UTF8.GetByteCount(options.Version) > MuxSessionOptions.MaxVersionBytes)
            throw new ArgumentException($"The version must fit {MuxSessionOptions.MaxVersionBytes} bytes.", nameof(options));
        Role = role;
        Options = options;
        _pool = pool;
        _handler = handler;
        _log = new SentLog(options.MaxUnacknowledgedFrames, options.FirstSequence);
        _received = options.FirstSequence;
        _control = new ControlQueue(pool);
        _scheduler = new StreamScheduler(options.SharedFrame);
        _linkWindow = new LinkWindow(options);
        _nextStreamId = role == SessionRole.Client ? 1u : 2u;
        _lastReceived = now;
    }

    /// <summary>Which end this is.</summary>
    public SessionRole Role { get; }

    /// <summary>The settings it was made with.</summary>
    public MuxSessionOptions Options { get; }

    /// <summary>Where in its life the session is.</summary>
    public SessionState State { get; private set; }

    /// <summary>Why the session ended, a sentence for people; null before.</summary>
    public string? EndReason { get; private set; }

    /// <summary>Why the peer turned the session away at its hello.</summary>
    public HelloRefusal Refusal { get; private set; }

    /// <summary>The peer's version, once it has said it.</summary>
    public string? PeerVersion { get; private set; }

    /// <summary>Whether a link is attached, handshake complete or not.</summary>
    public bool IsLinkUp => _linkUp;

    /// <summary>The last measured round trip, in microseconds; 0 before the first.</summary>
    public long LastRoundTrip => _roundTrip.Last;

    /// <summary>The shortest of the last round trips, in microseconds; 0 before the first.</summary>
    public long ShortestRoundTrip => _roundTrip.Shortest;

    /// <summary>Open streams.</summary>
    public int StreamCount => _streams.Count;

    /// <summary>Bytes that wait to be sent or acknowledged, over all streams.</summary>
    public long QueuedBytes => _queuedBytes;

    /// <summary>What was counted so far.</summary>
    public MuxCounters Counters => _counters;

    /// <summary>How many bytes more all streams together may queue.</summary>
    internal long SendMemory => Options.MaxSendMemory - _queuedBytes;

    /// <summary>How many bytes one stream should queue: what is on its way, and as much again, so that there is always more to send.</summary>
    internal int SendBacklog => 2 * _linkWindow.Size;

    /// <summary>Bytes of data frames that may be on their way at once.</summary>
    internal int LinkWindowSize => _linkWindow.Size;

    /// <summary>Opens a stream. Data may be written at once, up to the peer's early window.</summary>
    /// <param name="kind">What it carries.</param>
    /// <param name="target">Encoded address or name, at most 1,024 bytes.</param>
    /// <param name="handler">Who is told about it.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    /// <returns>The stream; null when the session has ended or carries as many streams as it may.</returns>
    public MuxStream? Open(StreamKind kind, ReadOnlySpan<byte> target, IMuxStreamHandler handler, long now)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(target.Length, FrameHeader.MaxTarget, nameof(target));
        if (State == SessionState.Ended || _streams.Count >= Options.MaxStreams || _control.Count >= Options.MaxControlQueue)
            return null;
        int window = FirstWindow();
        _windowsReserved += Reserved(window);
        var stream = new MuxStream(this, TakeStreamId(), kind, openedHere: true, new ReceiveWindow(window, window, now), _pool)
        {
            Handler = handler,
            SendLimit = _peerEarlyWindow,
        };
        _streams.Add(stream.Id, stream);
        _counters.StreamsOpened++;
        Span<byte> credit = stackalloc byte[FrameHeader.CreditSize];
        BinaryPrimitives.WriteUInt32BigEndian(credit, (uint)window);
        _control.Add(FrameType.Open, (byte)kind, stream.Id, credit, target);
        Wake();
        return stream;
    }

    /// <summary>Ends the session: streams are closed, a goodbye goes out if there is a link.</summary>
    /// <param name="reason">Shown to the other side; cut at 512 bytes.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    public void End(string reason, long now) => EndSession(reason, tellPeer: true, now);
}
