using Telepresence.Cli.Engine.Listeners;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Holder.Loopback;

/// <summary>One listener on one side for a listener on the other: each caller is connected to that one, at the address that was called.</summary>
/// <remarks>
/// The kernel has accepted the caller before the original is asked, so a refusal reaches the caller as a reset. Connections outlive
/// this listener.
/// </remarks>
internal sealed unsafe class TcpMirror : IReadyHandler, IMirror
{
    private const int Backlog = 1024, AcceptsPerReady = 32;

    private readonly LoopbackMirror _owner;
    private readonly MirrorKey _key;
    private readonly FileDescriptor _socket;
    private readonly ISocketSource _originals;
    private readonly SpareDescriptor _spare = new();

    private TcpMirror(LoopbackMirror owner, MirrorKey key, FileDescriptor socket, ISocketSource originals)
    {
        _owner = owner;
        _key = key;
        _socket = socket;
        _originals = originals;
        owner.Scope.Loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <inheritdoc/>
    public FileDescriptor Socket => _socket;

    /// <summary>Begins to listen.</summary>
    /// <param name="owner">Keeps the connections.</param>
    /// <param name="key">Where.</param>
    /// <param name="mirrors">Sockets of the side where it listens.</param>
    /// <param name="originals">Sockets of the side where the original listens.</param>
    /// <param name="errno">Why it does not, or 0.</param>
    internal static TcpMirror? TryStart(LoopbackMirror owner, MirrorKey key, ISocketSource mirrors, ISocketSource originals, out int errno)
    {
        FileDescriptor? socket = Listen(mirrors, key.Address, key.Port, out errno);

        // Somebody (our own name server) has the port on another address than the loopback's.
        if (socket is null && errno == Libc.EADDRINUSE && key.Address.IsUnspecified)
            socket = Listen(mirrors, BoundSocket.LoopbackOf(key.Address), key.Port, out errno);
        return socket is null ? null : new TcpMirror(owner, key, socket, originals);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < AcceptsPerReady && !_socket.IsClosed; i++)
        {
            if (_spare.Accept(_socket, out _) is not { } caller)
                return;
            SocketOptions.PrepareConnection(caller.Number);
            new Call(_owner, caller, _originals).Begin(Called(caller), _key.Port);
        }
    }

    /// <inheritdoc/>
    public void Poll(long now)
    {
        // Nothing here expires.
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _owner.Scope.Loop.Remove(_socket.Number);
        _socket.Dispose();
        _spare.Close();
    }

    private static FileDescriptor? Listen(ISocketSource sockets, NetAddress address, ushort port, out int errno)
    {
        int family = address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;
        FileDescriptor? socket = sockets.Open(family, Libc.SOCK_STREAM, out errno);
        if (socket is null)
            return null;

        // Each family has its own mirror. Connections in TIME-WAIT must not block the port.
        if (family == Libc.AF_INET6)
            SocketOptions.Set(socket.Number, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 1);
        SocketOptions.Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        errno = SocketOptions.Bind(socket, address, port, family);
        if (errno == 0 && Libc.listen(socket.Number, Backlog) != 0)
            errno = Libc.Errno;
        if (errno == 0)
            return socket;
        socket.Dispose();
        return null;
    }

    // The original may tell addresses apart. What is no loopback address is nobody's on the other side.
    private static NetAddress Called(FileDescriptor caller)
    {
        SocketAddress name = default;
        uint length = SocketAddress.Size;
        NetAddress address = Libc.getsockname(caller.Number, &name, &length) == 0 ? name.Address : NetAddress.FromIPv4(0);
        return BoundSocket.IsLoopback(address) ? address : BoundSocket.LoopbackOf(address);
    }

    /// <summary>A caller whose connection to the original is on its way.</summary>
    internal sealed class Call(LoopbackMirror owner, FileDescriptor caller, ISocketSource originals) : IReadyHandler
    {
        private FileDescriptor? _socket;
        private SocketBridge? _bridge;

        internal void Begin(NetAddress address, ushort port)
        {
            owner.Calls.Add(this);
            _socket = originals.Open(address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6, Libc.SOCK_STREAM, out _);
            if (_socket is null)
            {
                Abort();
                return;
            }

            SocketOptions.PrepareConnection(_socket.Number);
            if (SocketOptions.Connect(_socket, address, port) is 0 or Libc.EINPROGRESS)
                owner.Scope.Loop.Add(_socket.Number, Readiness.Write, this);
            else
                Abort();
        }

        /// <inheritdoc/>
        public void OnReady(Readiness readiness, long now)
        {
            FileDescriptor socket = _socket!;
            owner.Scope.Loop.Remove(socket.Number);
            if (SocketOptions.TakeError(socket.Number) != 0)
            {
                Abort();
                return;
            }

            _bridge = new SocketBridge(owner.Scope.Loop, owner.Scope.Pool, caller, socket, () => owner.Calls.Remove(this));
            _bridge.Start();
        }

        /// <summary>Ends it; the caller is told by a reset.</summary>
        internal void Abort()
        {
            owner.Calls.Remove(this);
            if (_bridge is not null)
            {
                _bridge.Abort();
                return;
            }

            if (_socket is not null)
            {
                owner.Scope.Loop.Remove(_socket.Number);
                _socket.Dispose();
            }

            SocketOptions.ResetOnClose(caller.Number);
            caller.Dispose();
        }
    }
}
