using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Drives one <see cref="MuxSession"/> on an <see cref="EventLoop"/>: moves bytes between the session and the descriptor of its
/// present link, link after link, and runs the session's timers also while there is none.
/// </summary>
/// <remarks>
/// <para><b>Theory of operation.</b> Reading happens when the descriptor is ready, into one large buffer, and the session hands the
/// bytes on from there. Writing happens once, at the end of the turn: what all flows wrote in it leaves in few system calls, and a
/// small frame overtakes bulk that the session has not handed out yet. For the same reason little may wait in the kernel:
/// TCP_NOTSENT_LOWAT makes the socket refuse more than <see cref="KernelBacklog"/> unsent bytes. The descriptor is watched for
/// writing only while it has refused some.</para>
/// <para>A link with an <see cref="ILinkFraming"/> is read in place, and written message by message: each is made of what the session has when
/// the one before has left.</para>
/// <para>Add it to the loop behind everything that writes to streams; what is written later in the same turn goes out at once in the
/// next.</para>
/// </remarks>
public sealed unsafe class LinkPump : IReadyHandler, ITurnHandler, IDisposable
{
    /// <summary>Most bytes that wait unsent in a TCP link's socket.</summary>
    public const int KernelBacklog = 128 * 1024;

    private const string ClosedBySession = "the session closed the link";
    private const int ReadSize = 256 * 1024, ReadsPerTurn = 4, GatherSize = 256 * 1024, MaxVectors = 256;

    private readonly EventLoop _loop;
    private readonly MuxSession _session;

    // Pinned: the session's handlers may hand pieces of it to the kernel. Arrays begin 16 bytes behind an aligned address.
    private readonly byte[] _readBuffer = GC.AllocateUninitializedArray<byte>(ReadSize, pinned: true);
    private readonly IoVector[] _vectors = GC.AllocateArray<IoVector>(MaxVectors, pinned: true);
    private FileDescriptor? _link;

    // Of a framed link.
    private LinkMessage? _message;
    private bool _blocked;

    /// <summary>Makes a pump and adds it to the loop. On the loop's thread.</summary>
    public LinkPump(EventLoop loop, MuxSession session)
    {
        _loop = loop;
        _session = session;
        loop.AddTurnHandler(this);
    }

    /// <summary>Called when the link has been closed and none has taken its place, after the session has been told; the argument is the
    /// time in microseconds.</summary>
    public Action<long>? Detached { get; set; }

    /// <summary>Whether there is a link.</summary>
    public bool IsAttached => _link is not null;

    /// <inheritdoc/>
    public long NextDeadline => HasOutput && _link is not null && !_blocked ? 0 : _session.NextDeadline;

    private bool HasOutput => _session.HasOutput || _message is { Left: > 0 } or { Framing.HasOutput: true };

    /// <summary>
    /// Takes over a connected, non-blocking stream socket that the session has been told about (<see cref="MuxSession.LinkUp"/> or
    /// <see cref="MuxSession.AcceptLink"/>). A link that is still attached is closed.
    /// </summary>
    /// <param name="link">The socket, which is the pump's from now on.</param>
    /// <param name="framing">What stands around the session's bytes on it; null: nothing does.</param>
    /// <exception cref="IOException">The loop cannot watch it.</exception>
    public void Attach(FileDescriptor link, ILinkFraming? framing = null)
    {
        CloseLink("another took its place");
        Tune(link.Number);
        _link = link;
        _message = framing is null ? null : new LinkMessage(framing);
        _blocked = false;
        _loop.Add(link.Number, Readiness.Read, this);
    }

    /// <summary>Closes the link's descriptor without a word to the session: it has given up the link itself.</summary>
    public void Detach()
    {
        if (_link is null)
            return;
        CloseLink(ClosedBySession);
        Detached?.Invoke(_loop.Now);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        if ((readiness & Readiness.Write) != 0 && _blocked)
            Unblock();
        if ((readiness & (Readiness.Read | Readiness.HangUp | Readiness.Error)) != 0)
            Read(now);
    }

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (now >= _session.NextDeadline)
            _session.Poll(now);
        while (_link is not null && !_blocked && HasOutput && Write(now))
        {
        }

        // After a goodbye nothing more comes; closing the descriptor behind it lets the peer read it first.
        if (_link is not null && _session.State == SessionState.Ended && !HasOutput)
            Lose("the session has ended", now);
    }

    /// <summary>Closes the link, if there is one, and leaves the loop. Not from inside a turn handler.</summary>
    public void Dispose()
    {
        CloseLink(ClosedBySession);
        _loop.RemoveTurnHandler(this);
    }

    private void Read(long now)
    {
        FileDescriptor? link = _link;
        for (int reads = 0; reads < ReadsPerTurn && link is not null && link == _link; reads++)
        {
            nint count;
            fixed (byte* buffer = _readBuffer)
                count = Libc.recv(link.Number, buffer, ReadSize, Libc.MSG_DONTWAIT);
            if (count > 0)
            {
                Take(_readBuffer.AsSpan(0, (int)count), now);
                if (count < ReadSize)
                    return;
            }
            else if (count == 0)
            {
                Lose("the other side closed the link", now);
                return;
            }
            else if (Libc.Errno == Libc.EAGAIN)
            {
                return;
            }
            else if (Libc.Errno != Libc.EINTR)
            {
                Lose(Libc.Failure("reading the link").Message, now);
                return;
            }
        }
    }

    private void Take(Span<byte> bytes, long now)
    {
        if (_message is not { } message)
        {
            _session.Receive(bytes, now);
            return;
        }

        int length = message.Framing.Unwrap(bytes);
        if (length > 0)
            _session.Receive(bytes[..length], now);
        if (_message == message && message.Framing.End is { } end)
            Lose(end, now);
    }

    /// <returns>Whether to go on: the link took everything that was gathered.</returns>
    private bool Write(long now)
    {
        if (_message is not null)
            return WriteMessage(_message, now);
        int filled = _session.Gather(_vectors, GatherSize, now);
        if (filled == 0)
            return false;
        long length = Length(_vectors.AsSpan(0, filled));
        nint sent;
        do
        {
            fixed (IoVector* vectors = _vectors)
            {
                Libc.MessageHeader message = default;
                message.Vectors = vectors;
                message.VectorCount = (nuint)filled;
                sent = Libc.sendmsg(_link!.Number, &message, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            }
        }
        while (sent < 0 && Libc.Errno == Libc.EINTR);
        bool failed = sent < 0 && Libc.Errno != Libc.EAGAIN;
        string reason = failed ? WriteFailure() : "";
        _session.Sent((int)Math.Max(sent, 0), now);
        return failed ? GiveUp(reason, now) : sent == length || Block();
    }

    private bool WriteMessage(LinkMessage message, long now)
    {
        if (message.Left == 0)
        {
            int filled = _session.Gather(_vectors, message.Framing.MaxMessage, now);
            message.Fill(_vectors.AsSpan(0, filled));
            _session.Sent((int)Length(_vectors.AsSpan(0, filled)), now);
            if (message.Left == 0)
                return false;
        }

        do
        {
            if (message.Send(_link!.Number) < 0 && Libc.Errno != Libc.EINTR)
                return Libc.Errno == Libc.EAGAIN ? Block() : GiveUp(WriteFailure(), now);
        }
        while (message.Left > 0);
        return true;
    }

    private static string WriteFailure() => Libc.Failure("writing to the link").Message;

    private static long Length(ReadOnlySpan<IoVector> vectors)
    {
        long length = 0;
        foreach (IoVector vector in vectors)
            length += (long)vector.Length;
        return length;
    }

    private bool Block()
    {
        _blocked = true;
        _loop.Modify(_link!.Number, Readiness.Read | Readiness.Write);
        return false;
    }

    // The peer may have said goodbye before it closed; that has arrived and says more than the failure.
    private bool GiveUp(string reason, long now)
    {
        FileDescriptor? link = _link;
        Read(now);
        if (_link == link)
            Lose(reason, now);
        return false;
    }

    private void Unblock()
    {
        _blocked = false;
        _loop.Modify(_link!.Number, Readiness.Read);
    }

    private void Lose(string reason, long now)
    {
        CloseLink(reason);
        _session.LinkDown(reason, now);
        if (_link is null)
            Detached?.Invoke(now);
    }

    private void CloseLink(string reason)
    {
        if (_link is null)
            return;
        _loop.Remove(_link.Number);
        _link.Dispose();
        _link = null;
        LinkMessage? message = _message;
        _message = null;
        message?.Framing.Closed(reason);
    }

    // A link is loopback or a Unix socket; for the latter the TCP options do not apply and the kernel says so. BBR paces on
    // loopback, which costs half of the throughput; a kernel without CUBIC keeps what it has.
    private static void Tune(int link)
    {
        SocketOptions.Set(link, Libc.IPPROTO_TCP, Libc.TCP_NODELAY, 1);
        SocketOptions.Set(link, Libc.IPPROTO_TCP, Libc.TCP_NOTSENT_LOWAT, KernelBacklog);
        SocketOptions.SetText(link, Libc.IPPROTO_TCP, Libc.TCP_CONGESTION, "cubic"u8);
    }
}
