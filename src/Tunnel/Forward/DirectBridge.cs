using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Forward;

/// <summary>One TCP connection of a local program, carried by a socket of this process.</summary>
/// <remarks>
/// The program sees the truth: its SYN is answered when the socket has connected, refused as the socket was refused; half-close passes as
/// half-close, reset as reset. Outward, the window that the program sees is the room in the queue to the socket; inward, the socket is
/// read only while the connection takes what it gives.
/// </remarks>
internal sealed unsafe class DirectBridge : ITcpHandler, IReadyHandler
{
    private const int MaxQueued = 512 * 1024, MaxUnacknowledged = 1024 * 1024, MaxVectors = 16, ReadsPerReady = 4;

    private readonly DirectFlows _flows;
    private readonly TcpConnection _connection;
    private readonly FileDescriptor _socket;
    private readonly ByteQueue _toSocket;
    private Readiness _interest = Readiness.Write;
    private bool _watched = true;
    private bool _connecting = true;
    private bool _connectionEnded;
    private bool _socketEnded;
    private bool _shutDown;
    private bool _closed;

    private DirectBridge(DirectFlows flows, TcpConnection connection, FileDescriptor socket)
    {
        _flows = flows;
        _connection = connection;
        _socket = socket;
        _toSocket = new ByteQueue(flows.Pool);
        connection.Handler = this;
        flows.Add(this);
        flows.Loop.Add(socket.Number, _interest, this);
    }

    private bool MayRead => !_socketEnded && _connection.SendSpace > 0 && _connection.SendQueued < MaxUnacknowledged;

    /// <summary>Begins to dial for <paramref name="connection"/>, or refuses it.</summary>
    internal static void Open(DirectFlows flows, TcpConnection connection, long now)
    {
        FlowKey flow = connection.Flow;
        FileDescriptor? socket = flows.Sockets.Open(flow.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6, Libc.SOCK_STREAM, out int errno);
        if (socket is not null)
        {
            SocketOptions.PrepareConnection(socket.Number);
            errno = SocketOptions.Connect(socket, flow.Destination, flow.DestinationPort);
            if (errno is 0 or Libc.EINPROGRESS)
            {
                _ = new DirectBridge(flows, connection, socket);
                return;
            }

            socket.Dispose();
        }

        Refuse(connection, errno, now);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        if (_connecting)
        {
            Connected(now);
            return;
        }

        if ((readiness & Readiness.Write) != 0)
            Flush(now);
        if (_closed || (readiness & (Readiness.Read | Readiness.HangUp | Readiness.Error)) == 0)
            return;
        if (_socketEnded)
            OnTrouble(now);
        else if (MayRead)
            Read(now);
        else if ((readiness & (Readiness.HangUp | Readiness.Error)) != 0)
            Unwatch();
    }

    void ITcpHandler.OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
    {
        if (_closed)
            return;
        if (_toSocket.Length == 0)
        {
            nint sent;
            fixed (byte* at = bytes)
                sent = Libc.send(_socket.Number, at, (nuint)bytes.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            if (sent < 0 && Libc.Errno is not (Libc.EAGAIN or Libc.EINTR))
            {
                Fail(now);
                return;
            }

            bytes = bytes[(int)Math.Max(sent, 0)..];
        }

        _toSocket.Append(bytes);
        connection.SetReceiveSpace(MaxQueued - _toSocket.Length);
        if (_toSocket.Length > 0)
            Watch();
    }

    void ITcpHandler.OnEnd(TcpConnection connection, long now)
    {
        _connectionEnded = true;
        if (!_closed && _toSocket.Length == 0)
            ShutDown();
    }

    void ITcpHandler.OnSendSpace(TcpConnection connection, int acknowledged, long now)
    {
        if (!_closed && !_socketEnded && !_connecting)
            Watch();
    }

    void ITcpHandler.OnReset(TcpConnection connection, long now)
    {
        if (_closed)
            return;
        SocketOptions.ResetOnClose(_socket.Number);
        Close();
    }

    void ITcpHandler.OnClosed(TcpConnection connection, long now)
    {
        // Both ways have ended in order; what the socket has not taken yet still goes out.
        if (!_closed && _toSocket.Length == 0)
            Close();
    }

    internal void Close()
    {
        if (_closed)
            return;
        Unwatch();
        _closed = true;
        _toSocket.Clear();
        _socket.Dispose();
        _flows.Remove(this);
    }

    private static void Refuse(TcpConnection connection, int errno, long now) =>
        connection.Refuse(Refusals.ToLocal(errno == Libc.EADDRNOTAVAIL ? Mux.RefuseCode.NetUnreachable : SocketOptions.ToRefuseCode(errno)), now);

    private void Connected(long now)
    {
        int error = SocketOptions.TakeError(_socket.Number);
        if (error != 0)
        {
            Close();
            Refuse(_connection, error, now);
            return;
        }

        _connecting = false;
        _connection.SetReceiveSpace(MaxQueued);
        _connection.Accept(now);
        Watch();
    }

    private void Read(long now)
    {
        Span<byte> buffer = _flows.Buffer;
        for (int i = 0; i < ReadsPerReady && MayRead; i++)
        {
            int room = Math.Min(buffer.Length, _connection.SendSpace);
            nint count;
            fixed (byte* at = buffer)
                count = Libc.recv(_socket.Number, at, (nuint)room, Libc.MSG_DONTWAIT);
            if (count > 0)
            {
                _connection.Send(buffer[..(int)count], now);
                if (count < room)
                    break;
            }
            else if (count == 0)
            {
                _socketEnded = true;
                _connection.SendEnd(now);
                break;
            }
            else if (Libc.Errno == Libc.EAGAIN)
            {
                break;
            }
            else if (Libc.Errno != Libc.EINTR)
            {
                Fail(now);
                return;
            }
        }

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
            }
            else if (Libc.Errno == Libc.EAGAIN)
            {
                break;
            }
            else if (Libc.Errno != Libc.EINTR)
            {
                Fail(now);
                return;
            }
        }

        if (_connection.State == TcpState.Closed && _toSocket.Length == 0)
        {
            Close();
            return;
        }

        _connection.SetReceiveSpace(MaxQueued - _toSocket.Length);
        if (_toSocket.Length == 0 && _connectionEnded && !_shutDown)
            ShutDown();
        Watch();
    }

    // The socket has ended its direction and is heard of again: it was reset, or both directions are shut and nothing more will come.
    private void OnTrouble(long now)
    {
        if (SocketOptions.TakeError(_socket.Number) != 0)
            Fail(now);
        else
            Unwatch();
    }

    private void ShutDown()
    {
        _shutDown = true;
        Libc.shutdown(_socket.Number, Libc.SHUT_WR);
    }

    private void Fail(long now)
    {
        _connection.Abort(now);
        Close();
    }

    private void Watch()
    {
        Readiness interest = Readiness.None;
        if (MayRead)
            interest |= Readiness.Read;
        if (_toSocket.Length > 0)
            interest |= Readiness.Write;
        if (!_watched)
            _flows.Loop.Add(_socket.Number, interest, this);
        else if (interest != _interest)
            _flows.Loop.Modify(_socket.Number, interest);
        _watched = true;
        _interest = interest;
    }

    private void Unwatch()
    {
        if (_watched)
            _flows.Loop.Remove(_socket.Number);
        _watched = false;
    }
}
