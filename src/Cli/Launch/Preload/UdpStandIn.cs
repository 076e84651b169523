using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>
/// A UDP socket that stands for one remote UDP port. Each local socket that sends to it is a flow of its own, with a stream of its own;
/// answers go out from here, so that they come from where the program sent to.
/// </summary>
/// <remarks>
/// <para>Every user of the machine can reach a loopback address, so only datagrams of sockets of users who were told of it over the
/// agent's own socket, which the file system protects, are carried on (<see cref="SocketOwner"/>). A port changes hands without a sign, so
/// that is asked again in each turn in which a flow has datagrams, either way.</para>
/// <para>When the far side says that nobody listens there, the socket is closed for a second: the local kernel then tells it to whoever sends
/// again, as it would have been told by the far side's.</para>
/// </remarks>
internal sealed unsafe class UdpStandIn : StandIn, IReadyHandler
{
    /// <summary>How long a flow may be silent, microseconds. RFC 4787 REQ-5 asks for more than two minutes.</summary>
    internal const long IdleTimeout = 150_000_000;

    // Longer than the shim remembers what it was told; and how long a socket may be closed whose last datagram has not been seen.
    private const long ToldLease = 30_000_000, SeenLease = 1_000_000;

    // Where a socket without an address of its own sends from.
    private static readonly NetAddress Loopback = NetAddress.FromIPv4(0x7f00_0001);

    private const long RefusedFor = 1_000_000;
    private const int DatagramsPerReady = 64, MaxFlows = 1024;

    private readonly Dictionary<(NetAddress Address, ushort Port), Flow> _flows = [];
    private readonly LinkedList<Flow> _byIdleness = [];
    private readonly HashSet<uint> _users = [];
    private readonly Dictionary<(NetAddress Address, ushort Port), long> _leases = [];
    private FileDescriptor? _socket;
    private long _reopenAt = long.MaxValue;
    private bool _disposed;

    private UdpStandIn(TargetAddress real, NetAddress address, FileDescriptor socket, StandInScope scope)
        : base(real, address, scope)
    {
        _socket = socket;
        Port = SocketOptions.LocalPort(socket);
        scope.Loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <inheritdoc/>
    internal override bool IsIdle => _flows.Count == 0 && _reopenAt == long.MaxValue;

    /// <summary>Begins to receive.</summary>
    /// <returns>Null when the kernel refused.</returns>
    internal static UdpStandIn? Open(TargetAddress real, NetAddress address, StandInScope scope) =>
        Bind(address, Libc.SOCK_DGRAM, 0) is { } socket ? new UdpStandIn(real, address, socket, scope) : null;

    /// <summary>Lets a user's datagrams in, and those from a port even when its socket has been closed by the time that they are seen.</summary>
    internal void Admit(uint user, ushort port, long now)
    {
        _users.Add(user);
        if (port != 0)
            Lease((Loopback, port), now + ToldLease, now);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < DatagramsPerReady && _socket is not null; i++)
        {
            SocketAddress from = default;
            uint length = SocketAddress.Size;
            nint count;
            fixed (byte* at = Scope.Buffer)
                count = Libc.recvfrom(_socket.Number, at, StandInScope.BufferLength, Libc.MSG_DONTWAIT, &from, &length);

            // An error here belongs to an earlier answer whose program has gone; reading it has cleared it.
            if (count >= 0)
                Find(from, now)?.Stream!.WriteDatagram(Scope.Buffer.AsSpan(0, (int)count), now);
            else if (Libc.Errno == Libc.EAGAIN)
                return;
        }
    }

    /// <inheritdoc/>
    internal override void Poll(long now)
    {
        while (_byIdleness.First is { } longest && longest.Value.LastUse + IdleTimeout <= now)
            longest.Value.End(now);
        if (_reopenAt <= now)
            Reopen(now);
        if (_byIdleness.First is { } next)
            Scope.PollAt(next.Value.LastUse + IdleTimeout);
        Scope.PollAt(_reopenAt);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        while (_byIdleness.First is { } first)
            first.Value.End(Scope.Loop.Now);
        CloseSocket();
    }

    private void Reopen(long now)
    {
        _socket = Bind(Address, Libc.SOCK_DGRAM, Port);
        _reopenAt = _socket is null ? now + RefusedFor : long.MaxValue;
        if (_socket is not null)
            Scope.Loop.Add(_socket.Number, Readiness.Read, this);
    }

    private void CloseSocket()
    {
        if (_socket is null)
            return;
        Scope.Loop.Remove(_socket.Number);
        _socket.Dispose();
        _socket = null;
    }

    private Flow? Find(SocketAddress from, long now)
    {
        (NetAddress, ushort) key = (from.Address, from.Port);
        LastUse = now;
        bool isKnown = _flows.TryGetValue(key, out Flow? flow);
        if (flow?.AdmittedAt != now && !IsAdmitted(key, now))
        {
            flow?.End(now);
            return null;
        }

        if (!isKnown)
        {
            if (Scope.Session is not { } session)
                return null;
            if (_flows.Count >= MaxFlows)
                _byIdleness.First!.Value.End(now);
            flow = new Flow(this, key);
            Span<byte> target = stackalloc byte[TargetAddress.MaxLength];
            flow.Stream = session.Open(StreamKind.Udp, target[..Real.Encode(target)], flow, now);
            if (flow.Stream is null)
                return null;
            _flows.Add(key, flow);
            _byIdleness.AddLast(flow.Node);
            Scope.PollAt(now + IdleTimeout);
        }

        flow!.AdmittedAt = now;
        flow.Touch(now);
        return flow;
    }

    private bool IsAdmitted((NetAddress, ushort) sender, long now) => IsOurs(sender, now) ?? (_leases.TryGetValue(sender, out long until) && now < until);

    /// <returns>Null when nobody has the port any more.</returns>
    private bool? IsOurs((NetAddress Address, ushort Port) sender, long now)
    {
        if (Scope.Owners.Find(sender.Address, sender.Port, Address, Port) is not { } owner)
            return null;
        bool isOurs = _users.Contains(owner);
        if (isOurs)
            Lease(sender, now + SeenLease, now);
        else
            _leases.Remove(sender);
        return isOurs;
    }

    private void Lease((NetAddress, ushort) sender, long until, long now)
    {
        if (_leases.TryGetValue(sender, out long before))
            until = Math.Max(until, before);
        else if (_leases.Count >= MaxFlows)
            ForgetLeases(now);
        _leases[sender] = until;
    }

    private void ForgetLeases(long now)
    {
        foreach ((NetAddress, ushort) sender in _leases.Where(lease => lease.Value <= now).Select(static lease => lease.Key).ToArray())
            _leases.Remove(sender);
        if (_leases.Count >= MaxFlows)
            _leases.Clear();
    }

    private void Refused(long now)
    {
        CloseSocket();
        Scope.PollAt(_reopenAt = now + RefusedFor);
    }

    /// <summary>The datagrams of one local socket.</summary>
    private sealed class Flow : IMuxStreamHandler
    {
        private readonly UdpStandIn _standIn;
        private readonly (NetAddress Address, ushort Port) _key;

        internal Flow(UdpStandIn standIn, (NetAddress Address, ushort Port) key)
        {
            _standIn = standIn;
            _key = key;
            Node = new LinkedListNode<Flow>(this);
        }

        internal LinkedListNode<Flow> Node { get; }

        internal MuxStream? Stream { get; set; }

        /// <summary>The turn in which the kernel was asked last whose the port is.</summary>
        internal long AdmittedAt { get; set; } = long.MinValue;

        internal long LastUse { get; private set; }

        public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now)
        {
            if (Node.List is null || _standIn._socket is not { } socket)
                return;
            if (AdmittedAt != now && _standIn.IsOurs(_key, now) is var isOurs and not true)
            {
                if (isOurs is false)
                    End(now);
                return;
            }

            AdmittedAt = now;
            Touch(now);
            SocketAddress to = new(_key.Address, _key.Port, Libc.AF_INET);

            // What cannot be sent is lost, as on any network.
            fixed (byte* at = datagram)
                Libc.sendto(socket.Number, at, (nuint)datagram.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL, &to, to.Length);
        }

        public void OnEnd(MuxStream stream, long now) => End(now);

        public void OnReset(MuxStream stream, RefuseCode code, long now)
        {
            Forget();
            if (code is RefuseCode.Refused)
                _standIn.Refused(now);
        }

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => OnReset(stream, code, now);

        internal void Touch(long now)
        {
            LastUse = now;
            _standIn._byIdleness.Remove(Node);
            _standIn._byIdleness.AddLast(Node);
        }

        internal void End(long now)
        {
            Stream!.Reset(RefuseCode.None, now);
            Forget();
        }

        private void Forget()
        {
            if (Node.List is null)
                return;
            _standIn._byIdleness.Remove(Node);
            _standIn._flows.Remove(_key);
        }
    }
}
