using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Holder.Loopback;

/// <summary>
/// One bound UDP socket on one side for one on the other: each caller gets a connected socket to that one, and what comes back over it
/// is sent to the caller from here.
/// </summary>
internal sealed unsafe class UdpMirror : IReadyHandler, IMirror
{
    private const int DatagramsPerReady = 64, MaxCallers = 512;

    // RFC 4787 REQ-5 asks for more than two minutes.
    private const long IdleTimeout = 150_000_000;

    private readonly LoopbackMirror _owner;
    private readonly MirrorKey _key;
    private readonly FileDescriptor _socket;
    private readonly ISocketSource _originals;
    private readonly Dictionary<(NetAddress Address, ushort Port), Caller> _callers = [];

    // The longest idle first.
    private readonly LinkedList<Caller> _byIdleness = [];

    private UdpMirror(LoopbackMirror owner, MirrorKey key, FileDescriptor socket, ISocketSource originals)
    {
        _owner = owner;
        _key = key;
        _socket = socket;
        _originals = originals;
        owner.Scope.Loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <inheritdoc/>
    public FileDescriptor Socket => _socket;

    private int Family => _key.Address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;

    /// <summary>Binds the socket.</summary>
    /// <param name="owner">Has the buffer.</param>
    /// <param name="key">Where.</param>
    /// <param name="mirrors">Sockets of the side where it is bound.</param>
    /// <param name="originals">Sockets of the side where the original is bound.</param>
    /// <param name="errno">Why it is not, or 0.</param>
    internal static UdpMirror? TryStart(LoopbackMirror owner, MirrorKey key, ISocketSource mirrors, ISocketSource originals, out int errno)
    {
        int family = key.Address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;
        FileDescriptor? socket = mirrors.Open(family, Libc.SOCK_DGRAM, out errno);
        if (socket is null)
            return null;
        errno = SocketOptions.Bind(socket, key.Address, key.Port, family);
        if (errno == 0)
            return new UdpMirror(owner, key, socket, originals);
        socket.Dispose();
        return null;
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < DatagramsPerReady; i++)
        {
            SocketAddress from = default;
            uint length = SocketAddress.Size;
            nint count;
            fixed (byte* at = _owner.Buffer)
                count = Libc.recvfrom(_socket.Number, at, (nuint)_owner.Buffer.Length, Libc.MSG_DONTWAIT, &from, &length);

            // An error here belongs to an earlier answer whose caller has gone; reading it has cleared it.
            if (count >= 0)
                Find(from, now)?.Send(_owner.Buffer.AsSpan(0, (int)count));
            else if (Libc.Errno == Libc.EAGAIN)
                return;
        }
    }

    /// <inheritdoc/>
    public void Poll(long now)
    {
        while (_byIdleness.First is { } longest && longest.Value.LastUse + IdleTimeout <= now)
            Close(longest.Value);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_byIdleness.First is { } first)
            Close(first.Value);
        _owner.Scope.Loop.Remove(_socket.Number);
        _socket.Dispose();
    }

    private Caller? Find(SocketAddress from, long now)
    {
        (NetAddress, ushort) key = (from.Address, from.Port);
        if (!_callers.TryGetValue(key, out Caller? caller))
        {
            if (_callers.Count >= MaxCallers)
                Close(_byIdleness.First!.Value);
            FileDescriptor? socket = _originals.Open(Family, Libc.SOCK_DGRAM, out _);
            if (socket is null)
                return null;
            if (SocketOptions.Connect(socket, _key.Address, _key.Port) != 0)
            {
                socket.Dispose();
                return null;
            }

            caller = new Caller(this, from, socket);
            _callers.Add(key, caller);
            _byIdleness.AddLast(caller.Node);
            _owner.Scope.Loop.Add(socket.Number, Readiness.Read, caller);
        }

        Touch(caller, now);
        return caller;
    }

    private void Touch(Caller caller, long now)
    {
        caller.LastUse = now;
        if (_byIdleness.Last == caller.Node)
            return;
        _byIdleness.Remove(caller.Node);
        _byIdleness.AddLast(caller.Node);
    }

    private void Close(Caller caller)
    {
        if (!_callers.Remove((caller.Address.Address, caller.Address.Port)))
            return;
        _byIdleness.Remove(caller.Node);
        _owner.Scope.Loop.Remove(caller.Socket.Number);
        caller.Socket.Dispose();
    }

    private sealed class Caller : IReadyHandler
    {
        private readonly UdpMirror _mirror;

        internal Caller(UdpMirror mirror, SocketAddress address, FileDescriptor socket)
        {
            _mirror = mirror;
            Address = address;
            Socket = socket;
            Node = new LinkedListNode<Caller>(this);
        }

        internal SocketAddress Address { get; }

        internal FileDescriptor Socket { get; }

        internal LinkedListNode<Caller> Node { get; }

        internal long LastUse { get; set; }

        // What cannot be sent is lost, as on any network.
        internal void Send(ReadOnlySpan<byte> datagram)
        {
            fixed (byte* at = datagram)
                Libc.send(Socket.Number, at, (nuint)datagram.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        }

        /// <inheritdoc/>
        public void OnReady(Readiness readiness, long now)
        {
            byte[] buffer = _mirror._owner.Buffer;
            for (int i = 0; i < DatagramsPerReady; i++)
            {
                nint count;
                SocketAddress to = Address;
                fixed (byte* at = buffer)
                {
                    count = Libc.recv(Socket.Number, at, (nuint)buffer.Length, Libc.MSG_DONTWAIT);
                    if (count >= 0)
                        Libc.sendto(_mirror._socket.Number, at, (nuint)count, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL, &to, to.Length);
                }

                if (count >= 0)
                {
                    _mirror.Touch(this, now);
                    continue;
                }

                // The original is gone, or was never there for this caller; the next datagram tries again.
                if (Libc.Errno is not (Libc.EAGAIN or Libc.EINTR))
                    _mirror.Close(this);
                return;
            }
        }
    }
}
