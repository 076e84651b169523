using Telepresence.Dns;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Engine.Dns;

/// <summary>One UDP socket on port 53 that local programs ask. The asker's address travels in the resolver's token, so nothing is kept here.</summary>
internal sealed unsafe class DnsUdpSocket : IReadyHandler, IDisposable
{
    // A turn must end soon enough for the packets' sake.
    private const int QueriesPerTurn = 64;

    // Nothing smaller than 64 KiB lies between a local program and us, and the resolver keeps to what the program says it takes.
    private const ushort MaxReply = 65_000;

    private readonly EventLoop _loop;
    private readonly FileDescriptor _socket;
    private readonly Resolver _resolver;
    private readonly byte[] _query = GC.AllocateUninitializedArray<byte>(ushort.MaxValue, pinned: true);
    private readonly ushort _number;
    private readonly int _family;

    /// <param name="loop">Serves the socket.</param>
    /// <param name="socket">Bound, non-blocking; owned from now on.</param>
    /// <param name="number">Tells this socket from its siblings in a token.</param>
    /// <param name="resolver">Is asked.</param>
    internal DnsUdpSocket(EventLoop loop, FileDescriptor socket, ushort number, Resolver resolver)
    {
        _loop = loop;
        _socket = socket;
        _number = number;
        _resolver = resolver;
        SocketAddress bound;
        uint length = SocketAddress.Size;
        if (Libc.getsockname(socket.Number, &bound, &length) != 0)
            throw Libc.Failure("getsockname of a DNS socket");
        _family = bound.Family;
        loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < QueriesPerTurn; i++)
        {
            SocketAddress peer;
            uint peerLength = SocketAddress.Size;
            nint length;
            fixed (byte* query = _query)
                length = Libc.recvfrom(_socket.Number, query, (nuint)_query.Length, Libc.MSG_DONTWAIT, &peer, &peerLength);

            // Errors here are a peer's (an ICMP answer to an earlier reply) or "nothing waits"; neither concerns the socket itself.
            if (length < 0)
                return;
            NetAddress address = peer.Address;
            DnsClientToken token = new(new UInt128(address.High, address.Low), (uint)peer.Port << 16 | _number, IsTcp: false, MaxReply);
            _resolver.Receive(_query.AsSpan(0, (int)length), token, now);
        }
    }

    /// <summary>Answers the asker that <paramref name="token"/> names. One that does not fit its queue is lost, as UDP is.</summary>
    internal void Reply(in DnsClientToken token, ReadOnlySpan<byte> message)
    {
        SocketAddress peer = new(new NetAddress((ulong)(token.Id >> 64), (ulong)token.Id), (ushort)(token.Tag >> 16), _family);
        fixed (byte* bytes = message)
            _ = Libc.sendto(_socket.Number, bytes, (nuint)message.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL, &peer, peer.Length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Remove(_socket.Number);
        _socket.Dispose();
    }
}
