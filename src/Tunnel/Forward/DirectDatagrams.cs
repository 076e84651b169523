using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Forward;

/// <summary>The UDP flows of local programs that are carried by sockets of this process, one connected socket each; closed when idle.</summary>
internal sealed class DirectDatagrams(DirectFlows flows) : IDisposable
{
    private const int MaxFlows = 1024;

    private readonly Dictionary<FlowKey, Flow> _flows = [];

    // The longest idle first.
    private readonly LinkedList<Flow> _byIdleness = [];

    internal int Count => _flows.Count;

    internal long NextDeadline => _byIdleness.First is { } longest ? longest.Value.LastUse + UdpBridge.IdleTimeout : long.MaxValue;

    internal void Send(in FlowKey key, ReadOnlySpan<byte> payload, long now)
    {
        if (!_flows.TryGetValue(key, out Flow? flow))
        {
            flow = Open(key, now);
            if (flow is null)
                return;
        }

        Use(flow, now);
        flow.Send(payload, now);
    }

    internal void Poll(long now)
    {
        while (_byIdleness.First is { } longest && longest.Value.LastUse + UdpBridge.IdleTimeout <= now)
            Close(longest.Value);
    }

    public void Dispose()
    {
        while (_byIdleness.First is { } first)
            Close(first.Value);
    }

    private Flow? Open(in FlowKey key, long now)
    {
        if (_flows.Count >= MaxFlows)
            Close(_byIdleness.First!.Value);
        FileDescriptor? socket = flows.Sockets.Open(key.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6, Libc.SOCK_DGRAM, out int errno);
        if (socket is not null)
        {
            errno = SocketOptions.Connect(socket, key.Destination, key.DestinationPort);
            if (errno == 0)
            {
                Flow flow = new(this, key, socket);
                _flows.Add(key, flow);
                _byIdleness.AddLast(flow.Node);
                flows.Loop.Add(socket.Number, Readiness.Read, flow);
                return flow;
            }

            socket.Dispose();
        }

        Unreachable(key, errno, now);
        return null;
    }

    private void Use(Flow flow, long now)
    {
        flow.LastUse = now;
        if (_byIdleness.Last == flow.Node)
            return;
        _byIdleness.Remove(flow.Node);
        _byIdleness.AddLast(flow.Node);
    }

    private void Close(Flow flow)
    {
        if (!_flows.Remove(flow.Key))
            return;
        _byIdleness.Remove(flow.Node);
        flows.Loop.Remove(flow.Socket.Number);
        flow.Socket.Dispose();
    }

    private void Unreachable(in FlowKey key, int errno, long now) =>
        flows.Stack?.SendUnreachable(key, Refusals.ToLocal(errno == Libc.EADDRNOTAVAIL ? Mux.RefuseCode.NetUnreachable : SocketOptions.ToRefuseCode(errno)), now);

    private sealed unsafe class Flow : IReadyHandler
    {
        private const int DatagramsPerReady = 64;

        private readonly DirectDatagrams _owner;

        internal Flow(DirectDatagrams owner, FlowKey key, FileDescriptor socket)
        {
            _owner = owner;
            Key = key;
            Socket = socket;
            Node = new LinkedListNode<Flow>(this);
        }

        internal FlowKey Key { get; }

        internal FileDescriptor Socket { get; }

        internal LinkedListNode<Flow> Node { get; }

        internal long LastUse { get; set; }

        internal void Send(ReadOnlySpan<byte> payload, long now)
        {
            fixed (byte* at = payload)
            {
                if (Libc.send(Socket.Number, at, (nuint)payload.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL) < 0)
                    OnError(Libc.Errno, now);
            }
        }

        /// <inheritdoc/>
        public void OnReady(Readiness readiness, long now)
        {
            Span<byte> buffer = _owner.Shared;
            for (int i = 0; i < DatagramsPerReady; i++)
            {
                nint count;
                fixed (byte* at = buffer)
                    count = Libc.recv(Socket.Number, at, (nuint)buffer.Length, Libc.MSG_DONTWAIT);
                if (count < 0)
                {
                    OnError(Libc.Errno, now);
                    return;
                }

                _owner.Use(this, now);
                _owner.Answer(Key, buffer[..(int)count], now);
            }
        }

        // What cannot be sent just now is lost, as on any network; what nobody takes is told, and the next datagram begins anew.
        private void OnError(int errno, long now)
        {
            if (errno is Libc.EAGAIN or Libc.EINTR or Libc.ENOBUFS or Libc.EMSGSIZE)
                return;
            _owner.Close(this);
            _owner.Unreachable(Key, errno, now);
        }
    }

    private Span<byte> Shared => flows.Buffer;

    private void Answer(in FlowKey key, ReadOnlySpan<byte> payload, long now) => flows.Stack?.SendDatagram(key, payload, now);
}
