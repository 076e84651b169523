using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// One TCP port: while it takes callers (<see cref="ListenTarget.TakeCallers"/>), each becomes a stream, over which bytes flow at once,
/// within the peer's early window. Else the kernel refuses them.
/// </summary>
internal sealed class TcpListener(
    EventLoop loop, ChunkPool pool, MuxSession session, MuxStream stream, FileDescriptor socket, Action closed) : IMuxStreamHandler, IReadyHandler
{
    private const int Backlog = 1024, AcceptsPerReady = 32;

    private readonly SpareDescriptor _spare = new();
    private bool _closed;
    private bool _takesCallers;

    internal void Start()
    {
        stream.Handler = this;
        Refuse();
    }

    /// <summary>Lets the kernel accept callers.</summary>
    /// <returns>0, or errno.</returns>
    internal static int Listen(FileDescriptor socket)
    {
        // Connections of an earlier listener that linger in TIME-WAIT must not block the port.
        SocketOptions.Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        return Libc.listen(socket.Number, Backlog) == 0 ? 0 : Libc.Errno;
    }

    /// <inheritdoc/>
    public void OnData(MuxStream from, ReadOnlySpan<byte> bytes, long now)
    {
        bool takes = bytes[^1] == ListenTarget.TakeCallers;
        from.Consume(bytes.Length, now);
        if (_closed || takes == _takesCallers)
            return;
        _takesCallers = takes;
        if (!takes)
        {
            loop.Remove(socket.Number);
            Refuse();
        }
        else if (Listen(socket) is not 0 and int errno)
        {
            from.Reset(SocketOptions.ToRefuseCode(errno), now);
            Close();
        }
        else
        {
            loop.Add(socket.Number, Readiness.Read, this);
        }
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < AcceptsPerReady && _takesCallers; i++)
        {
            if (_spare.Accept(socket, out SocketAddress caller) is not { } connection)
                return;
            Connect(connection, caller, now);
        }
    }

    /// <inheritdoc/>
    public void OnEnd(MuxStream from, long now)
    {
        from.WriteEnd(now);
        Close();
    }

    /// <inheritdoc/>
    public void OnReset(MuxStream from, RefuseCode code, long now) => Close();

    /// <inheritdoc/>
    public void OnRefused(MuxStream from, RefuseCode code, string reason, long now) => Close();

    // A socket that listened keeps its port, and resets those who wait (shutdown(2); the kernel calls it a disconnection). Without the option
    // another one cannot have the port meanwhile, see inet_csk_bind_conflict() in Linux.
    private void Refuse()
    {
        SocketOptions.Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 0);
        _ = Libc.shutdown(socket.Number, Libc.SHUT_RD);
    }

    private void Connect(FileDescriptor connection, SocketAddress caller, long now)
    {
        SocketOptions.PrepareConnection(connection.Number);
        byte[] target = new AcceptedTarget(stream.Id, new TargetAddress(caller.Address, caller.Port)).ToBytes();
        MuxStream? flow = session.Open(StreamKind.Accepted, target, this, now);
        if (flow is null)
        {
            SocketOptions.ResetOnClose(connection.Number);
            connection.Dispose();
            return;
        }

        new SocketRelay(loop, connection, flow, new ByteQueue(pool)).Start(now);
    }

    private void Close()
    {
        if (_closed)
            return;
        _closed = true;
        if (_takesCallers)
            loop.Remove(socket.Number);
        _takesCallers = false;

        // A process that is just being started has a copy of the socket: callers must not wait there, and the next listener must have the port.
        SocketOptions.Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        _ = Libc.shutdown(socket.Number, Libc.SHUT_RD);
        socket.Dispose();
        _spare.Close();
        closed();
    }
}
