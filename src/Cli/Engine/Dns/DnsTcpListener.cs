using Telepresence.Dns;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Engine.Dns;

/// <summary>One TCP socket on port 53, with the connections that local programs made to it.</summary>
internal sealed class DnsTcpListener : IReadyHandler, IDisposable
{
    private const int MaxConnections = 256;

    // RFC 7766 §6.2.3: idle connections may be closed after seconds; programs that want to keep one send again.
    private const long IdleTimeout = 20_000_000;

    private readonly EventLoop _loop;
    private readonly FileDescriptor _socket;
    private readonly Resolver _resolver;
    private readonly ChunkPool _pool;
    private readonly Dictionary<UInt128, DnsTcpConnection> _connections = [];
    private readonly List<DnsTcpConnection> _idle = [];
    private readonly SpareDescriptor _spare = new();
    private readonly ushort _number;
    private ulong _lastId;

    /// <param name="loop">Serves the socket.</param>
    /// <param name="socket">Listening, non-blocking; owned from now on.</param>
    /// <param name="number">Tells this socket from its siblings in a token.</param>
    /// <param name="resolver">Is asked.</param>
    /// <param name="pool">Memory for answers that a slow reader has not taken.</param>
    internal DnsTcpListener(EventLoop loop, FileDescriptor socket, ushort number, Resolver resolver, ChunkPool pool)
    {
        _loop = loop;
        _socket = socket;
        _number = number;
        _resolver = resolver;
        _pool = pool;
        loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <summary>When the next idle connection is due, microseconds.</summary>
    internal long NextDeadline { get; private set; } = long.MaxValue;

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        if (_spare.Accept(_socket, out _) is not { } connection)
            return;
        if (_connections.Count >= MaxConnections)
        {
            connection.Dispose();
            return;
        }

        ulong id = ++_lastId;
        _connections.Add(id, new DnsTcpConnection(_loop, connection, new DnsClientToken(id, _number, IsTcp: true), _resolver, _pool, now, closed => _connections.Remove(closed.Token.Id)));
        NextDeadline = Math.Min(NextDeadline, now + IdleTimeout);
    }

    /// <summary>Answers the connection that <paramref name="token"/> names, if it is still there.</summary>
    internal void Reply(in DnsClientToken token, ReadOnlySpan<byte> message, long now)
    {
        if (_connections.TryGetValue(token.Id, out DnsTcpConnection? connection))
            connection.Reply(message, now);
    }

    /// <summary>Closes connections that have been idle too long.</summary>
    internal void Poll(long now)
    {
        NextDeadline = long.MaxValue;
        foreach (DnsTcpConnection connection in _connections.Values)
        {
            if (connection.LastUse + IdleTimeout <= now)
                _idle.Add(connection);
            else
                NextDeadline = Math.Min(NextDeadline, connection.LastUse + IdleTimeout);
        }

        foreach (DnsTcpConnection connection in _idle)
            connection.Dispose();
        _idle.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DnsTcpConnection connection in _connections.Values.ToArray())
            connection.Dispose();
        _loop.Remove(_socket.Number);
        _socket.Dispose();
        _spare.Close();
    }
}
