using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// One bound UDP port: each caller (address and port) becomes a stream of kind <see cref="StreamKind.Udp"/>, and what comes back over it
/// is sent to the caller from this port. The other side ends idle ones; when there are too many, the longest idle gives way.
/// </summary>
internal sealed unsafe class UdpListener(
    EventLoop loop, MuxSession session, MuxStream stream, FileDescriptor socket, int family, Action closed) : IMuxStreamHandler, IReadyHandler
{
    private const int DatagramsPerReady = 64, MaxCallers = 4096, MaxDatagram = 65_536;

    private readonly byte[] _buffer = new byte[MaxDatagram];
    private readonly Dictionary<(NetAddress Address, ushort Port), Caller> _callers = [];
    private readonly LinkedList<Caller> _byIdleness = [];
    private bool _closed;

    internal void Start()
    {
        stream.Handler = this;
        loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < DatagramsPerReady && !_closed; i++)
        {
            SocketAddress from = default;
            uint length = SocketAddress.Size;
            nint count;
            fixed (byte* at = _buffer)
                count = Libc.recvfrom(socket.Number, at, (nuint)_buffer.Length, Libc.MSG_DONTWAIT, &from, &length);

            // An error here belongs to an earlier answer whose caller has gone; reading it has cleared it.
            if (count >= 0)
                Find(from, now)?.Stream!.WriteDatagram(_buffer.AsSpan(0, (int)count), now);
            else if (Libc.Errno == Libc.EAGAIN)
                return;
        }
    }

    /// <inheritdoc/>
    public void OnEnd(MuxStream from, long now)
    {
        from.WriteEnd(now);
        Close(now);
    }

    /// <inheritdoc/>
    public void OnReset(MuxStream from, RefuseCode code, long now) => Close(now);

    /// <inheritdoc/>
    public void OnRefused(MuxStream from, RefuseCode code, string reason, long now) => Close(now);

    private Caller? Find(SocketAddress from, long now)
    {
        (NetAddress, ushort) key = (from.Address, from.Port);
        if (!_callers.TryGetValue(key, out Caller? caller))
        {
            if (_callers.Count >= MaxCallers)
                _byIdleness.First!.Value.End(now);
            caller = new Caller(this, key);
            byte[] target = new AcceptedTarget(stream.Id, new TargetAddress(from.Address, from.Port)).ToBytes();
            caller.Stream = session.Open(StreamKind.Udp, target, caller, now);
            if (caller.Stream is null)
                return null;
            _callers.Add(key, caller);
        }

        Touch(caller);
        return caller;
    }

    private void Touch(Caller caller)
    {
        if (caller.Node.List is not null)
            _byIdleness.Remove(caller.Node);
        _byIdleness.AddLast(caller.Node);
    }

    private void Close(long now)
    {
        if (_closed)
            return;
        _closed = true;
        loop.Remove(socket.Number);
        while (_byIdleness.First is { } first)
            first.Value.End(now);
        socket.Dispose();
        closed();
    }

    private sealed class Caller : IMuxStreamHandler
    {
        private readonly UdpListener _listener;
        private readonly (NetAddress Address, ushort Port) _key;

        internal Caller(UdpListener listener, (NetAddress Address, ushort Port) key)
        {
            _listener = listener;
            _key = key;
            Node = new LinkedListNode<Caller>(this);
        }

        internal LinkedListNode<Caller> Node { get; }

        internal MuxStream? Stream { get; set; }

        internal void End(long now)
        {
            Stream!.Reset(RefuseCode.None, now);
            Forget();
        }

        public void OnDatagram(MuxStream from, ReadOnlySpan<byte> datagram, long now)
        {
            if (Node.List is null)
                return;
            _listener.Touch(this);
            SocketAddress to = new(_key.Address, _key.Port, _listener.Family);

            // What cannot be sent is lost, as on any network.
            fixed (byte* at = datagram)
                Libc.sendto(_listener.Descriptor, at, (nuint)datagram.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL, &to, to.Length);
        }

        public void OnEnd(MuxStream from, long now)
        {
            from.WriteEnd(now);
            Forget();
        }

        public void OnReset(MuxStream from, RefuseCode code, long now) => Forget();

        public void OnRefused(MuxStream from, RefuseCode code, string reason, long now) => Forget();

        private void Forget()
        {
            if (Node.List is { } list)
                list.Remove(Node);
            if (_listener._callers.TryGetValue(_key, out Caller? present) && present == this)
                _listener._callers.Remove(_key);
        }
    }

    private int Descriptor => socket.Number;

    private int Family => family;
}
