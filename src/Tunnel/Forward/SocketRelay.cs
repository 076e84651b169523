using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>Carries bytes both ways between one connected stream socket and one <see cref="MuxStream"/>, until both ways have ended.</summary>
/// <remarks>
/// <para><b>Socket to stream.</b> The socket is read straight into the stream's send queue, and only while the peer has given credit;
/// without credit the bytes stay in the kernel, whose window then stops the sender. End of file becomes the stream's end.</para>
/// <para><b>Stream to socket.</b> What arrives is sent at once from the session's receive buffer. Only what the socket does not take is
/// copied into a queue of our own, and the credit for a byte is given back when the kernel has it, so the queue never holds more than
/// the stream's window. The stream's end becomes a half-close behind the last byte.</para>
/// <para><b>Abrupt ends</b> pass through in both directions: a reset of the stream closes the socket with RST, and an error of the
/// socket resets the stream with a code that says which.</para>
/// <para>An idle relay owns no buffer. A hang-up is reported by epoll for as long as it lasts, so a relay that cannot read on
/// (no credit, or end of file already seen) leaves the loop until it can.</para>
/// </remarks>
internal sealed unsafe class SocketRelay : IMuxStreamHandler, IReadyHandler
{
    // A first read is expected to be small; when one fills its chunk, the flow is bulk.
    private const int BytesPerReady = 256 * 1024, MaxVectors = 16;

    private readonly EventLoop _loop;
    private readonly FileDescriptor _socket;
    private readonly MuxStream _stream;
    private readonly ByteQueue _toSocket;
    private readonly Action? _closedCallback;
    private Readiness _interest;
    private int _readHint = ChunkPool.SmallSize;
    private bool _watched;
    private bool _socketEnded;
    private bool _streamEnded;
    private bool _shutDown;
    private bool _closed;

    /// <summary>Takes over socket and stream; nothing moves before <see cref="Start"/>.</summary>
    /// <param name="loop">Whose thread this is.</param>
    /// <param name="socket">Connected, non-blocking, not watched by the loop.</param>
    /// <param name="stream">Its handler becomes this object.</param>
    /// <param name="early">What the stream has brought already and the socket must get first; not yet counted as consumed.</param>
    /// <param name="streamEnded">Whether the stream's end has come behind <paramref name="early"/>.</param>
    /// <param name="closed">Called when the socket has been closed.</param>
    internal SocketRelay(EventLoop loop, FileDescriptor socket, MuxStream stream, ByteQueue early, bool streamEnded = false, Action? closed = null)
    {
        _loop = loop;
        _socket = socket;
        _stream = stream;
        _toSocket = early;
        _streamEnded = streamEnded;
        _closedCallback = closed;
        stream.Handler = this;
    }

    /// <summary>Sends what came early and begins to carry bytes.</summary>
    internal void Start(long now)
    {
        Flush(now);
        if (!_closed)
            Watch();
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        if ((readiness & Readiness.Write) != 0)
            Flush(now);
        if (_closed || (readiness & (Readiness.Read | Readiness.HangUp | Readiness.Error)) == 0)
            return;
        if (_socketEnded)
            OnTrouble(now);
        else if (_stream.SendSpace > 0)
            ReadSocket(now);
        else if ((readiness & (Readiness.HangUp | Readiness.Error)) != 0)
            Unwatch();
        else
            Watch(); // What should be queued has become less: the socket is not listened to until there is space again.
    }

    /// <inheritdoc/>
    public void OnSendSpace(MuxStream stream, long now)
    {
        if (_closed || _socketEnded)
            return;
        if (_watched)
            Watch();
        else
            ReadSocket(now);
    }

    /// <inheritdoc/>
    public void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
    {
        if (_closed)
            return;
        if (_toSocket.Length == 0)
        {
            nint sent;
            fixed (byte* at = bytes)
                sent = Libc.send(_socket.Number, at, (nuint)bytes.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            if (sent < 0 && !IsTemporary(Libc.Errno))
            {
                Fail(Libc.Errno, now);
                return;
            }

            int taken = (int)Math.Max(sent, 0);
            _stream.Consume(taken, now);
            if (taken == bytes.Length)
                return;
            bytes = bytes[taken..];
        }

        _toSocket.Append(bytes);
        Watch();
    }

    /// <inheritdoc/>
    public void OnEnd(MuxStream stream, long now)
    {
        _streamEnded = true;
        if (!_closed && _toSocket.Length == 0)
            ShutDown();
    }

    /// <inheritdoc/>
    public void OnReset(MuxStream stream, RefuseCode code, long now)
    {
        if (_closed)
            return;
        SocketOptions.ResetOnClose(_socket.Number);
        Close();
    }

    /// <inheritdoc/>
    public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => OnReset(stream, code, now);

    private static bool IsTemporary(int errno) => errno is Libc.EAGAIN or Libc.EINTR;

    private void ReadSocket(long now)
    {
        int budget = BytesPerReady;
        while (budget > 0)
        {
            Span<byte> room = _stream.GetWriteSpan(_readHint);
            if (room.IsEmpty)
                break;
            nint count;
            fixed (byte* at = room)
                count = Libc.recv(_socket.Number, at, (nuint)room.Length, Libc.MSG_DONTWAIT);
            int errno = count < 0 ? Libc.Errno : 0;
            _stream.Advance((int)Math.Max(count, 0), now);
            if (count > 0)
            {
                budget -= (int)count;
                _readHint = count == room.Length ? ChunkPool.LargeSize : ChunkPool.SmallSize;
                if (count < room.Length)
                    break;
            }
            else if (count == 0)
            {
                _socketEnded = true;
                _stream.WriteEnd(now);
                CloseIfDone();
                break;
            }
            else if (errno == Libc.EAGAIN)
            {
                break;
            }
            else if (errno != Libc.EINTR)
            {
                Fail(errno, now);
                break;
            }
        }

        if (!_closed)
            Watch();
    }

    private void Flush(long now)
    {
        IoVector* vectors = stackalloc IoVector[MaxVectors];
        while (_toSocket.Length > 0)
        {
            Libc.MessageHeader message = default;
            message.Vectors = vectors;
            message.VectorCount = (nuint)_toSocket.Gather(_toSocket.Head, _toSocket.Length, new Span<IoVector>(vectors, MaxVectors));
            nint sent = Libc.sendmsg(_socket.Number, &message, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            if (sent >= 0)
            {
                _toSocket.Release(_toSocket.Head + sent);
                _stream.Consume((int)sent, now);
            }
            else if (Libc.Errno == Libc.EAGAIN)
            {
                return;
            }
            else if (Libc.Errno != Libc.EINTR)
            {
                Fail(Libc.Errno, now);
                return;
            }
        }

        if (_streamEnded && !_shutDown)
            ShutDown();
        if (!_closed)
            Watch();
    }

    // The socket has ended its direction and is heard of again: either it was reset, or both directions are shut and
    // nothing more will come.
    private void OnTrouble(long now)
    {
        int error = SocketOptions.TakeError(_socket.Number);
        if (error != 0)
            Fail(error, now);
        else
            Unwatch();
    }

    private void ShutDown()
    {
        _shutDown = true;

        // It fails only when the connection is gone already, which the next read tells in full.
        Libc.shutdown(_socket.Number, Libc.SHUT_WR);
        CloseIfDone();
    }

    private void CloseIfDone()
    {
        if (_socketEnded && _shutDown)
            Close();
    }

    private void Fail(int errno, long now)
    {
        _stream.Reset(SocketOptions.ToRefuseCode(errno), now);
        Close();
    }

    private void Close()
    {
        if (_closed)
            return;
        Unwatch();
        _closed = true;
        _toSocket.Clear();
        _socket.Dispose();
        _closedCallback?.Invoke();
    }

    private void Watch()
    {
        Readiness interest = Readiness.None;
        if (!_socketEnded && _stream.SendSpace > 0)
            interest |= Readiness.Read;
        if (_toSocket.Length > 0)
            interest |= Readiness.Write;
        if (!_watched)
            _loop.Add(_socket.Number, interest, this);
        else if (interest != _interest)
            _loop.Modify(_socket.Number, interest);
        _watched = true;
        _interest = interest;
    }

    private void Unwatch()
    {
        if (_watched)
            _loop.Remove(_socket.Number);
        _watched = false;
    }
}
