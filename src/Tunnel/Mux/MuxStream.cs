using System.Buffers.Binary;
using Telepresence.Tunnel.Buffers;

namespace Telepresence.Tunnel.Mux;

/// <summary>
/// One flow inside a <see cref="MuxSession"/>: bytes or datagrams in both directions, each direction with its own end.
/// </summary>
/// <remarks>
/// What is written is copied once, into the send queue, and stays there until the peer's session has acknowledged it:
/// <code>
///   Queue.Head ......... SentOffset ......... Queue.Tail
///      sent, kept for replay     not sent yet
/// </code>
/// A datagram lies in the queue behind two bytes of length. Bytes are taken only within the peer's credit, so unsent bytes are
/// never stuck; datagrams wait for credit and are dropped when too many wait.
/// </remarks>
public sealed class MuxStream
{
    /// <summary>Largest datagram.</summary>
    public const int MaxDatagram = ushort.MaxValue;

    private const int LengthPrefix = 2;

    private readonly MuxSession _session;

    internal MuxStream(MuxSession session, uint id, StreamKind kind, bool openedHere, ReceiveWindow window, ChunkPool pool)
    {
        _session = session;
        Id = id;
        Kind = kind;
        OpenedHere = openedHere;
        IsDatagram = kind.IsDatagram();
        Window = window;
        Queue = new ByteQueue(pool);
    }

    /// <summary>Number of the stream: odd when the client opened it.</summary>
    public uint Id { get; }

    /// <summary>What it carries.</summary>
    public StreamKind Kind { get; }

    /// <summary>Who is told. Without one, what arrives counts as consumed and is dropped.</summary>
    public IMuxStreamHandler? Handler { get; set; }

    /// <summary>Anything that the owner wants to find here.</summary>
    public object? State { get; set; }

    /// <summary>Whether this side opened it.</summary>
    public bool OpenedHere { get; }

    /// <summary>Whether both sides have agreed on the stream.</summary>
    public bool IsAccepted { get; internal set; }

    /// <summary>Whether the stream is over in both directions; every method is then without effect.</summary>
    public bool IsClosed { get; internal set; }

    /// <summary>How many bytes should be written now: the peer's credit, within this side's memory and what keeps the link busy. When these leave less than there
    /// could be, <see cref="IMuxStreamHandler.OnSendSpace"/> follows as soon as there is more.</summary>
    /// <remarks>All streams share the memory, so what was promised to one may be used up by others before it writes. The promise holds:
    /// see <see cref="Write"/>.</remarks>
    public int SendSpace
    {
        get
        {
            if (!CanWrite || IsDatagram)
                return 0;
            long credit = Credit, memory = _session.SendMemory;
            long space = Math.Min(Room, Math.Max(0, _session.SendBacklog - Queue.Length));
            if (memory < space)
            {
                space = Math.Max(memory, 0);
                _session.NoteMemoryShort();
            }

            AwaitsSpace |= space < credit || space == 0;
            return (int)space;
        }
    }

    /// <summary>Bytes written that the peer's session has not acknowledged.</summary>
    public int Unacknowledged => Queue.Length;

    internal ByteQueue Queue { get; }

    /// <summary>Offset in <see cref="Queue"/> of the first byte (for datagrams: length prefix) that no frame covers yet.</summary>
    internal long SentOffset { get; set; }

    /// <summary>How far the peer allows: payload bytes since the stream began.</summary>
    internal long SendLimit { get; set; }

    /// <summary>Payload bytes of datagrams in frames so far.</summary>
    internal long DatagramBytesSent { get; set; }

    internal bool IsDatagram { get; }

    /// <summary><see cref="WriteEnd"/> was called.</summary>
    internal bool EndWanted { get; private set; }

    /// <summary>The END frame has its number.</summary>
    internal bool EndSent { get; set; }

    /// <summary>A link has had a byte of the END frame, so it will not be taken back.</summary>
    internal bool EndBegun { get; set; }

    internal bool EndReceived { get; set; }

    /// <summary>A write was cut short by memory, so the owner must be told when there is some.</summary>
    internal bool AwaitsSpace { get; set; }

    /// <summary>Frames of this stream in the sent log.</summary>
    internal int FramesKept { get; set; }

    internal ReceiveWindow Window;

    /// <summary>Stands in the session's list of streams whose credit must be told.</summary>
    internal bool CreditQueued { get; set; }

    internal MuxStream? NextCredit { get; set; }

    /// <summary>The scheduler's list that the stream stands in.</summary>
    internal StreamList? Queued { get; set; }

    internal MuxStream? NextQueued { get; set; }

    internal MuxStream? PreviousQueued { get; set; }

    /// <summary>Came into the scheduler after a pause, and no link has had a byte of it since.</summary>
    internal bool IsFresh { get; set; }

    /// <summary>Stands in the scheduler's regular list with nothing to send, so that it cannot get a second quantum in one round.</summary>
    internal bool IsResting { get; set; }

    internal int Deficit { get; set; }

    /// <summary>Whether a frame could be made now.</summary>
    internal bool CanSendFrame
    {
        get
        {
            if (IsClosed || EndSent)
                return false;
            if (SentOffset == Queue.Tail)
                return EndWanted;
            return !IsDatagram || DatagramBytesSent < SendLimit;
        }
    }

    // What the peer allows.
    private long Credit => CanWrite && !IsDatagram ? SendLimit - Queue.Tail : 0;

    // What the peer allows, within what one stream may keep. Only this stream's own writes lessen it.
    private long Room => Math.Min(Credit, _session.Options.MaxWindow - Queue.Length);

    private bool CanWrite => !IsClosed && !EndWanted && (OpenedHere || IsAccepted);

    /// <summary>Agrees to a stream that the peer opened.</summary>
    /// <param name="info">Told to the peer, at most 1,024 bytes.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    public void Accept(ReadOnlySpan<byte> info, long now)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(info.Length, FrameHeader.MaxTarget, nameof(info));
        if (!IsClosed && !IsAccepted && !OpenedHere)
            _session.AcceptStream(this, info, now);
    }

    /// <summary>Declines a stream that the peer opened; it is closed.</summary>
    /// <param name="code">For programs.</param>
    /// <param name="reason">For people; cut at 512 bytes.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    public void Refuse(RefuseCode code, string reason, long now)
    {
        if (!IsClosed && !IsAccepted && !OpenedHere)
            _session.RefuseStream(this, code, reason, now);
    }

    /// <summary>Copies <paramref name="bytes"/> into the send queue: at most as many as <see cref="SendSpace"/> has ever promised and were
    /// not written since, even if it is less now because other streams have used up the memory.</summary>
    /// <exception cref="ArgumentOutOfRangeException">More than the peer allows or than one stream may keep.</exception>
    public void Write(ReadOnlySpan<byte> bytes, long now)
    {
        if (IsClosed)
            return;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, Room, nameof(bytes));
        Queue.Append(bytes);
        Wrote(bytes.Length, now);
    }

    /// <summary>Memory behind the send queue to read a socket into, at most <see cref="SendSpace"/> long; empty when that is 0.</summary>
    /// <param name="sizeHint">How many bytes are expected.</param>
    public Span<byte> GetWriteSpan(int sizeHint)
    {
        int space = SendSpace;
        if (space == 0)
            return default;
        Span<byte> span = Queue.GetWriteSpan(Math.Min(sizeHint, space));
        return span.Length > space ? span[..space] : span;
    }

    /// <summary>Says that the first <paramref name="count"/> bytes of the last <see cref="GetWriteSpan"/> were filled.</summary>
    public void Advance(int count, long now)
    {
        if (IsClosed)
            return;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Room);
        Queue.Advance(count);
        Wrote(count, now);
    }

    /// <summary>Queues one datagram of at most 65,535 bytes.</summary>
    /// <returns>False when it was dropped because too many wait already, or the stream cannot send.</returns>
    public bool WriteDatagram(ReadOnlySpan<byte> datagram, long now)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(datagram.Length, MaxDatagram, nameof(datagram));
        if (!IsDatagram)
            throw new InvalidOperationException($"Streams of kind {Kind} carry bytes, not datagrams.");
        int size = LengthPrefix + datagram.Length;
        long unsent = Queue.Tail - SentOffset;
        if (!CanWrite || unsent + size > _session.Options.DatagramQueue + LengthPrefix
            || Queue.Length + size > 4L * _session.Options.DatagramQueue || size > _session.SendMemory)
        {
            _session.CountDroppedDatagram();
            return false;
        }

        Span<byte> prefix = stackalloc byte[LengthPrefix];
        BinaryPrimitives.WriteUInt16BigEndian(prefix, (ushort)datagram.Length);
        Queue.Append(prefix);
        Queue.Append(datagram);
        Wrote(size, now);
        return true;
    }

    /// <summary>Ends this direction after what is queued (half close).</summary>
    public void WriteEnd(long now)
    {
        if (IsClosed || EndWanted)
            return;
        EndWanted = true;
        _session.Activate(this, now);
    }

    /// <summary>Ends both directions now; what was queued and not sent is thrown away. The own handler is not called.</summary>
    public void Reset(RefuseCode code, long now)
    {
        if (!IsClosed)
            _session.ResetStream(this, code, now);
    }

    /// <summary>Says that <paramref name="bytes"/> received bytes have left this process, so that the peer may send as many more.</summary>
    public void Consume(int bytes, long now)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (!IsClosed)
            _session.Consumed(this, bytes, now);
    }

    /// <summary>Payload length of the datagram at <see cref="SentOffset"/>.</summary>
    internal int NextDatagramLength()
    {
        ReadOnlySpan<byte> prefix = Queue.Peek(SentOffset, LengthPrefix);
        int high = prefix[0];
        int low = prefix.Length > 1 ? prefix[1] : Queue.Peek(SentOffset + 1, 1)[0];
        return (high << 8) | low;
    }

    /// <summary>Length of the datagram's prefix in the queue, 0 for a byte stream.</summary>
    internal int FramePrefix => IsDatagram ? LengthPrefix : 0;

    private void Wrote(int count, long now)
    {
        if (count == 0)
            return;
        _session.Queued(count);
        _ = SendSpace; // Notes that the owner must be told, when that was the last of it.
        _session.Activate(this, now);
    }
}
