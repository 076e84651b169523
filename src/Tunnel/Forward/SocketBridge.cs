using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>Carries bytes both ways between two connected stream sockets, until both ways have ended.</summary>
/// <remarks>
/// Each socket is read only while little waits for the other one, so that the kernel's window stops a sender whose receiver is slow. End
/// of file passes as a half-close behind the last byte; an error of one socket closes the other with RST. An idle bridge owns no buffer.
/// A hang-up is reported by epoll for as long as it lasts, so a side that cannot read on leaves the loop until it can.
/// </remarks>
internal sealed class SocketBridge
{
    private readonly EventLoop _loop;
    private readonly Action? _closedCallback;
    private readonly Side _first;
    private readonly Side _second;
    private bool _closed;

    /// <summary>Takes over both sockets; nothing moves before <see cref="Start"/>.</summary>
    /// <param name="loop">Whose thread this is.</param>
    /// <param name="pool">The loop's memory.</param>
    /// <param name="first">Connected, non-blocking, not watched by the loop.</param>
    /// <param name="second">The same.</param>
    /// <param name="closed">Called when both have been closed.</param>
    internal SocketBridge(EventLoop loop, ChunkPool pool, FileDescriptor first, FileDescriptor second, Action? closed = null)
    {
        _loop = loop;
        _closedCallback = closed;
        _first = new Side(this, first, pool);
        _second = new Side(this, second, pool);
        _first.Other = _second;
        _second.Other = _first;
    }

    /// <summary>Begins to carry bytes.</summary>
    internal void Start()
    {
        _first.Watch();
        _second.Watch();
    }

    /// <summary>Ends it at once; both peers are told by a reset.</summary>
    internal void Abort()
    {
        if (_closed)
            return;
        SocketOptions.ResetOnClose(_first.Socket.Number);
        SocketOptions.ResetOnClose(_second.Socket.Number);
        Close();
    }

    private void Close()
    {
        if (_closed)
            return;
        _closed = true;
        _first.Close();
        _second.Close();
        _closedCallback?.Invoke();
    }

    private sealed unsafe class Side(SocketBridge bridge, FileDescriptor socket, ChunkPool pool) : IReadyHandler
    {
        private const int BytesPerReady = 256 * 1024, MaxQueued = 256 * 1024, MaxVectors = 16;

        // What the other socket sent and this one has not taken yet.
        private readonly ByteQueue _queue = new(pool);
        private Readiness _interest;
        private int _readHint = ChunkPool.SmallSize;
        private bool _watched;
        private bool _ended;
        private bool _shutDown;

        internal FileDescriptor Socket => socket;

        internal Side Other { get; set; } = null!;

        /// <inheritdoc/>
        public void OnReady(Readiness readiness, long now)
        {
            if ((readiness & Readiness.Write) != 0)
                Flush();
            if (bridge._closed || (readiness & (Readiness.Read | Readiness.HangUp | Readiness.Error)) == 0)
                return;
            if (_ended)
                OnTrouble();
            else if (Other._queue.Length < MaxQueued)
                Read();
            else if ((readiness & (Readiness.HangUp | Readiness.Error)) != 0)
                Unwatch();
        }

        internal void Watch()
        {
            Readiness interest = Readiness.None;
            if (!_ended && Other._queue.Length < MaxQueued)
                interest |= Readiness.Read;
            if (_queue.Length > 0)
                interest |= Readiness.Write;
            if (!_watched)
                bridge._loop.Add(socket.Number, interest, this);
            else if (interest != _interest)
                bridge._loop.Modify(socket.Number, interest);
            _watched = true;
            _interest = interest;
        }

        internal void Close()
        {
            Unwatch();
            _queue.Clear();
            socket.Dispose();
        }

        private void Read()
        {
            ByteQueue target = Other._queue;
            for (int budget = BytesPerReady; budget > 0 && target.Length < MaxQueued;)
            {
                Span<byte> room = target.GetWriteSpan(_readHint);
                nint count;
                fixed (byte* at = room)
                    count = Libc.recv(socket.Number, at, (nuint)room.Length, Libc.MSG_DONTWAIT);
                int errno = count < 0 ? Libc.Errno : 0;
                target.Advance((int)Math.Max(count, 0));
                if (count > 0)
                {
                    budget -= (int)count;
                    _readHint = count == room.Length ? ChunkPool.LargeSize : ChunkPool.SmallSize;
                    Other.Flush();
                    if (bridge._closed)
                        return;
                    if (count < room.Length)
                        break;
                }
                else if (count == 0)
                {
                    _ended = true;
                    if (target.Length == 0)
                        Other.ShutDown();
                    break;
                }
                else if (errno == Libc.EAGAIN)
                {
                    break;
                }
                else if (errno != Libc.EINTR)
                {
                    Fail();
                    return;
                }
            }

            if (!bridge._closed)
                Watch();
        }

        private void Flush()
        {
            IoVector* vectors = stackalloc IoVector[MaxVectors];
            while (_queue.Length > 0)
            {
                Libc.MessageHeader message = default;
                message.Vectors = vectors;
                message.VectorCount = (nuint)_queue.Gather(_queue.Head, _queue.Length, new Span<IoVector>(vectors, MaxVectors));
                nint sent = Libc.sendmsg(socket.Number, &message, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
                if (sent >= 0)
                {
                    _queue.Release(_queue.Head + sent);
                }
                else if (Libc.Errno == Libc.EAGAIN)
                {
                    break;
                }
                else if (Libc.Errno != Libc.EINTR)
                {
                    Fail();
                    return;
                }
            }

            if (_queue.Length == 0 && Other._ended && !_shutDown)
                ShutDown();
            if (bridge._closed)
                return;
            Watch();

            // There is room again for what the other side sends.
            if (!Other._ended)
                Other.Watch();
        }

        // It fails only when the connection is gone already, which the next read tells in full.
        private void ShutDown()
        {
            _shutDown = true;
            Libc.shutdown(socket.Number, Libc.SHUT_WR);
            if (_ended && Other._shutDown)
                bridge.Close();
        }

        // It has ended its direction and is heard of again: either it was reset, or both directions are shut and nothing more will come.
        private void OnTrouble()
        {
            if (SocketOptions.TakeError(socket.Number) != 0)
                Fail();
            else
                Unwatch();
        }

        private void Fail()
        {
            SocketOptions.ResetOnClose(Other.Socket.Number);
            bridge.Close();
        }

        private void Unwatch()
        {
            if (_watched)
                bridge._loop.Remove(socket.Number);
            _watched = false;
        }
    }
}
