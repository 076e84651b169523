using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>One listening TCP port: each caller becomes a stream, over which bytes flow at once, within the peer's early window.</summary>
internal sealed class TcpListener(
    EventLoop loop, ChunkPool pool, MuxSession session, MuxStream stream, FileDescriptor socket, Action closed) : IMuxStreamHandler, IReadyHandler
{
    private const int AcceptsPerReady = 32;

    private readonly SpareDescriptor _spare = new();
    private bool _closed;

    internal void Start()
    {
        stream.Handler = this;
        loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < AcceptsPerReady && !_closed; i++)
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
        loop.Remove(socket.Number);
        socket.Dispose();
        _spare.Close();
        closed();
    }
}
