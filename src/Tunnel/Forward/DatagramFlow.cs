using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Carries datagrams both ways between one connected datagram socket and one <see cref="MuxStream"/>. What a datagram looks like on
/// either side is up to the derived class.
/// </summary>
/// <remarks>
/// Errors that the network reports (ICMP unreachable and the like) close the flow and reset the stream with the code that says which, so
/// that the program on the other side is told by its own kernel; its next datagram opens a new flow. The kernel reports all of them, also
/// the ones it would keep to itself for fear of being transient, when IP_RECVERR is on; they then lie in an error queue, see ip(7).
/// </remarks>
internal abstract unsafe class DatagramFlow : IMuxStreamHandler, IReadyHandler
{
    private const int DatagramsPerReady = 64;

    private readonly DatagramDialer _dialer;
    private readonly FileDescriptor _socket;
    private bool _closed;

    private protected DatagramFlow(DatagramDialer dialer, FileDescriptor socket, MuxStream stream, long now)
    {
        _dialer = dialer;
        _socket = socket;
        Stream = stream;
        Node = new LinkedListNode<DatagramFlow>(this);
        LastActivity = now;
    }

    /// <summary>Its place among the flows, the longest idle first.</summary>
    internal LinkedListNode<DatagramFlow> Node { get; }

    /// <summary>When the last datagram passed, in microseconds.</summary>
    internal long LastActivity { get; set; }

    private protected MuxStream Stream { get; }

    /// <summary>A descriptor number; the socket is open for as long as the flow is.</summary>
    private protected int Socket => _socket.Number;

    internal void Start()
    {
        Stream.Handler = this;
        _dialer.Loop.Add(_socket.Number, Readiness.Read, this);
    }

    internal void Close()
    {
        if (_closed)
            return;
        _closed = true;
        _dialer.Loop.Remove(_socket.Number);
        _socket.Dispose();
        _dialer.Forget(this);
    }

    /// <summary>Resets the stream and closes the socket.</summary>
    internal void Fail(RefuseCode code, long now)
    {
        Stream.Reset(code, now);
        Close();
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        Span<byte> buffer = _dialer.Buffer;
        for (int i = 0; i < DatagramsPerReady; i++)
        {
            nint count;
            fixed (byte* at = buffer)
                count = Libc.recv(_socket.Number, at, (nuint)buffer.Length, Libc.MSG_DONTWAIT);
            if (count >= 0)
            {
                _dialer.Touch(this, now);
                OnReceived(buffer[..(int)count], now);
                if (_closed)
                    return;
                continue;
            }

            if (Libc.Errno == Libc.EAGAIN)
                break;
            OnError(Libc.Errno, now);
            if (_closed)
                return;
        }

        if ((readiness & Readiness.Error) != 0)
            DrainErrors(now);
    }

    /// <inheritdoc/>
    public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now)
    {
        if (_closed)
            return;
        _dialer.Touch(this, now);
        SendOut(datagram, now);
    }

    /// <inheritdoc/>
    public void OnEnd(MuxStream stream, long now)
    {
        Stream.WriteEnd(now);
        Close();
    }

    /// <inheritdoc/>
    public void OnReset(MuxStream stream, RefuseCode code, long now) => Close();

    /// <inheritdoc/>
    public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => Close();

    /// <summary>A datagram came from the socket.</summary>
    private protected abstract void OnReceived(ReadOnlySpan<byte> datagram, long now);

    /// <summary>A datagram came from the stream.</summary>
    private protected abstract void SendOut(ReadOnlySpan<byte> datagram, long now);

    /// <summary>send(2); a datagram for which there is no room or that is too long for the path is lost, as on any network.</summary>
    private protected void Send(ReadOnlySpan<byte> datagram, long now)
    {
        nint sent;
        do
        {
            fixed (byte* at = datagram)
                sent = Libc.send(_socket.Number, at, (nuint)datagram.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        }
        while (sent < 0 && Libc.Errno == Libc.EINTR);
        if (sent < 0)
            OnError(Libc.Errno, now);
    }

    private void OnError(int errno, long now)
    {
        if (errno is not (Libc.EAGAIN or Libc.EINTR or Libc.ENOBUFS or Libc.EMSGSIZE))
            Fail(SocketOptions.ToRefuseCode(errno), now);
    }

    // An entry in the error queue keeps the socket in error until it is taken out.
    private void DrainErrors(long now)
    {
        int error = SocketOptions.TakeError(_socket.Number);
        if (error != 0)
            OnError(error, now);
        byte scratch;
        Buffers.IoVector vector = new(&scratch, 1);
        while (!_closed)
        {
            Libc.MessageHeader message = default;
            message.Vectors = &vector;
            message.VectorCount = 1;
            if (Libc.recvmsg(_socket.Number, &message, Libc.MSG_ERRQUEUE | Libc.MSG_DONTWAIT) < 0)
                return;
        }
    }
}
