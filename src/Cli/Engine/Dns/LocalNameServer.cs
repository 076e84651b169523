using System.Net;
using System.Net.Sockets;

using Telepresence.Dns;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Engine.Dns;

/// <summary>One of the machine's own name servers, asked over a connected UDP socket, or over TCP for what did not fit.</summary>
internal sealed class LocalNameServer : IReadyHandler, IDisposable
{
    private const int MaxTcpQueries = 32, AnswersPerTurn = 64;

    private readonly EventLoop _loop;
    private readonly Resolver _resolver;
    private readonly int _number;
    private readonly IPEndPoint _address;
    private readonly Socket _udp;
    private readonly byte[] _answer = new byte[ushort.MaxValue];

    // In the order in which they were asked.
    private readonly List<TcpQuery> _tcpQueries = [];

    /// <param name="loop">Serves the sockets.</param>
    /// <param name="resolver">Gets the answers.</param>
    /// <param name="number">The server's index, as the resolver knows it.</param>
    /// <param name="address">Where it listens.</param>
    /// <exception cref="SocketException">There is no route to it.</exception>
    internal LocalNameServer(EventLoop loop, Resolver resolver, int number, IPEndPoint address)
    {
        _loop = loop;
        _resolver = resolver;
        _number = number;
        _address = address;
        _udp = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            _udp.Connect(address);
            _udp.Blocking = false;
        }
        catch (SocketException)
        {
            _udp.Dispose();
            throw;
        }

        loop.Add((int)_udp.Handle, Readiness.Read, this);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < AnswersPerTurn; i++)
        {
            int length = _udp.Receive(_answer, SocketFlags.None, out SocketError error);
            if (error == SocketError.Success)
            {
                _resolver.ReceiveFromLocal(_number, _answer.AsSpan(0, length), now);
                continue;
            }

            if (error != SocketError.WouldBlock)
                _resolver.LocalServerFailed(_number, now);
            return;
        }
    }

    /// <summary>Asks. What cannot be sent is lost; the resolver asks again or elsewhere.</summary>
    internal void Send(ReadOnlySpan<byte> query, bool overTcp)
    {
        if (!overTcp)
        {
            _udp.Send(query, SocketFlags.None, out _);
            return;
        }

        // A server that takes connections and does not answer must not use them all up for ever.
        if (_tcpQueries.Count >= MaxTcpQueries)
            _tcpQueries[0].Dispose();
        if (ConnectTcp() is { } socket)
            _tcpQueries.Add(new TcpQuery(this, socket, query));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TcpQuery query in _tcpQueries.ToArray())
            query.Dispose();
        _loop.Remove((int)_udp.Handle);
        _udp.Dispose();
    }

    /// <returns>A socket that is connected or about to be; null when the server cannot be reached. The resolver's own time limit moves the
    /// question on then.</returns>
    private Socket? ConnectTcp()
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(_address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            socket.Connect(_address);
            return socket;
        }
        catch (SocketException notYet) when (notYet.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            // Writable once connected.
            return socket;
        }
        catch (SocketException)
        {
            socket?.Dispose();
            return null;
        }
    }

    /// <summary>One question over a TCP connection of its own.</summary>
    private sealed class TcpQuery : IReadyHandler, IDisposable
    {
        private readonly LocalNameServer _server;
        private readonly Socket _socket;
        private readonly DnsTcpFramer _framer = new(ushort.MaxValue);
        private byte[] _unsent;

        internal TcpQuery(LocalNameServer server, Socket socket, ReadOnlySpan<byte> query)
        {
            _server = server;
            _socket = socket;
            _unsent = new byte[2 + query.Length];
            DnsTcpFramer.WritePrefix(_unsent, query.Length);
            query.CopyTo(_unsent.AsSpan(2));
            server._loop.Add((int)_socket.Handle, Readiness.Write, this);
        }

        public void OnReady(Readiness readiness, long now)
        {
            if (_unsent.Length > 0)
                Send();
            else
                Receive(now);
        }

        public void Dispose()
        {
            if (!_server._tcpQueries.Remove(this))
                return;
            _server._loop.Remove((int)_socket.Handle);
            _socket.Dispose();
        }

        private void Send()
        {
            int sent = _socket.Send(_unsent, SocketFlags.None, out SocketError error);
            if (error is not (SocketError.Success or SocketError.WouldBlock))
            {
                Dispose();
                return;
            }

            _unsent = _unsent[sent..];
            if (_unsent.Length == 0)
                _server._loop.Modify((int)_socket.Handle, Readiness.Read);
        }

        private void Receive(long now)
        {
            int count = _socket.Receive(_framer.Free, SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
                return;
            if (count <= 0 || error != SocketError.Success)
            {
                Dispose();
                return;
            }

            _framer.Advance(count);
            if (_framer.TryTake(out ReadOnlySpan<byte> answer))
            {
                _server._resolver.ReceiveFromLocal(_server._number, answer, now);
                Dispose();
            }
            else if (_framer.IsBroken)
            {
                Dispose();
            }
        }
    }
}
