using System.Net;
using System.Net.Sockets;

using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Serves the streams that ask for a TCP connection: connects, accepts the stream when the far end has accepted the connection or
/// refuses it with the true reason, and then relays bytes (<see cref="SocketRelay"/>). Both sides of a session use this class: the
/// pod for what the laptop's programs connect to, the laptop for what callers in the cluster connect to.
/// </summary>
/// <remarks>
/// The kernel dials; nothing here waits. When so many connections to one place were closed within a minute that no port is free, new ones wait
/// until the kernel gives one back. Data that the peer sent along with its request is kept and goes out first.
/// </remarks>
public sealed class PortDialer : ITurnHandler
{
    private const long UntilPortsAreFree = 20_000, BetweenRetries = 5_000; // µs
    private const int RetriesAtOnce = 8;

    private readonly EventLoop _loop;
    private readonly ChunkPool _pool;
    private readonly long _timeout;
    private readonly Func<string, Task<IPAddress[]>> _resolve;
    private readonly Func<FileDescriptor, NetAddress, ushort, int> _connect;

    // All dials have the same time limit, and all that wait for a port wait equally long, so the oldest is always first.
    private readonly LinkedList<PendingDial> _pending = [];
    private readonly Queue<(PendingDial Dial, long At)> _waiting = new();
    private long _retryAt;

    /// <summary>Makes a dialer and adds it to the loop. On the loop's thread.</summary>
    /// <param name="loop">Whose thread dials.</param>
    /// <param name="pool">The loop's memory.</param>
    /// <param name="timeout">How long a connection may take to be established, in microseconds.</param>
    /// <param name="resolve">Looks names up; the system's resolver unless given.</param>
    /// <param name="connect">connect(2), which returns 0 or errno; from a port that is quickly found unless given.</param>
    public PortDialer(
        EventLoop loop, ChunkPool pool, long timeout, Func<string, Task<IPAddress[]>>? resolve = null, Func<FileDescriptor, NetAddress, ushort, int>? connect = null)
    {
        _loop = loop;
        _pool = pool;
        _timeout = timeout;
        _resolve = resolve ?? (static name => Dns.GetHostAddressesAsync(name));
        _connect = connect ?? EphemeralPorts.Connect;
        loop.AddTurnHandler(this);
    }

    /// <summary>Connections that are not established yet.</summary>
    public int PendingCount => _pending.Count;

    /// <summary>Connections that carry bytes.</summary>
    public int OpenCount { get; private set; }

    /// <inheritdoc/>
    public long NextDeadline => Math.Min(_pending.First?.Value.Deadline ?? long.MaxValue, _waiting.TryPeek(out (PendingDial Dial, long At) next) ? Math.Max(next.At, _retryAt) : long.MaxValue);

    /// <summary>Serves <paramref name="stream"/>, which the peer has just opened.</summary>
    public void Dial(MuxStream stream, TargetAddress target, long now)
    {
        PendingDial dial = new(this, stream, new ByteQueue(_pool), now + _timeout);
        dial.Node = _pending.AddLast(dial);
        stream.Handler = dial;
        if (target.Name is not null)
            _ = ResolveAsync(dial, target.Name, target.Port);
        else
            dial.Begin([new DialCandidate(target.Address)], target.Port, byName: false, now);
    }

    /// <summary>Serves <paramref name="stream"/> with the first candidate, in their order, that accepts a connection.</summary>
    public void Dial(MuxStream stream, IReadOnlyList<DialCandidate> candidates, ushort port, long now)
    {
        PendingDial dial = new(this, stream, new ByteQueue(_pool), now + _timeout);
        dial.Node = _pending.AddLast(dial);
        stream.Handler = dial;
        dial.Begin(candidates, port, byName: false, now);
    }

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        while (_pending.First is { } oldest && oldest.Value.Deadline <= now)
            oldest.Value.TimeOut(now);
        if (now < _retryAt)
            return;
        for (int i = 0; _waiting.TryPeek(out (PendingDial Dial, long At) next) && next.At <= now; i++)
        {
            // Looking for a port that is not there is work, and the loop has other streams.
            if (i == RetriesAtOnce)
            {
                _retryAt = now + BetweenRetries;
                return;
            }

            _waiting.Dequeue();
            next.Dial.TryAgain(now);
        }
    }

    private async Task ResolveAsync(PendingDial dial, string name, ushort port)
    {
        DialCandidate[] addresses = [];
        RefuseCode code = RefuseCode.NotFound;
        string reason = $"there is no address for {name}";
        try
        {
            addresses = [.. (await _resolve(name).ConfigureAwait(false)).Select(static address => new DialCandidate(NetAddress.FromIPAddress(address)))];
        }
        catch (Exception fault) when (fault is SocketException { SocketErrorCode: not SocketError.TryAgain } or ArgumentException)
        {
            // The resolver has answered: no such name; or it does not look up such names ("0", which it takes for an unspecified
            // address). The code above says so.
        }
        catch (SocketException fault)
        {
            code = RefuseCode.TimedOut;
            reason = $"looking up {name}: {fault.Message}";
        }

        _loop.Post(() =>
        {
            if (addresses.Length == 0)
                dial.Refuse(code, reason, _loop.Now);
            else
                dial.Begin(addresses, port, byName: true, _loop.Now);
        });
    }

    /// <summary>One connection on its way.</summary>
    private sealed class PendingDial(PortDialer dialer, MuxStream stream, ByteQueue early, long deadline) : IMuxStreamHandler, IReadyHandler
    {
        private FileDescriptor? _socket;
        private IReadOnlyList<DialCandidate> _candidates = [];
        private int _next;
        private bool _wasRefused;
        private bool _lacksPort; // a candidate failed for want of a local port since the first was tried
        private ushort _port;
        private bool _byName;
        private bool _ended;
        private bool _done;

        internal long Deadline => deadline;

        internal LinkedListNode<PendingDial>? Node { get; set; }

        internal void Begin(IReadOnlyList<DialCandidate> candidates, ushort port, bool byName, long now)
        {
            if (_done)
                return;
            _candidates = candidates;
            _port = port;
            _byName = byName;
            TryNext(Libc.ENETUNREACH, now);
        }

        /// <summary>The time is over.</summary>
        internal void TimeOut(long now)
        {
            if (!_lacksPort)
                Refuse(RefuseCode.TimedOut, "no answer in time", now);
            else if (_wasRefused)
                Refuse(RefuseCode.Refused, Libc.Describe(Libc.ECONNREFUSED), now);
            else
                Refuse(RefuseCode.NoResources, "no local port is free", now);
        }

        /// <summary>After a wait for a port.</summary>
        internal void TryAgain(long now)
        {
            if (_done)
                return;
            _next = 0;
            _lacksPort = false;
            TryNext(Libc.EADDRNOTAVAIL, now);
        }

        internal void Refuse(RefuseCode code, string reason, long now)
        {
            if (_done)
                return;
            Leave();
            CloseSocket();
            early.Clear();
            stream.Refuse(code, reason, now);
        }

        /// <inheritdoc/>
        public void OnReady(Readiness readiness, long now)
        {
            dialer._loop.Remove(_socket!.Number);
            int error = SocketOptions.TakeError(_socket.Number);
            if (error == 0)
            {
                Connected(now);
                return;
            }

            _socket.Dispose();
            _socket = null;
            TryNext(error, now);
        }

        /// <inheritdoc/>
        public void OnData(MuxStream from, ReadOnlySpan<byte> bytes, long now) => early.Append(bytes);

        /// <inheritdoc/>
        public void OnEnd(MuxStream from, long now) => _ended = true;

        /// <inheritdoc/>
        public void OnReset(MuxStream from, RefuseCode code, long now)
        {
            Leave();
            CloseSocket();
            early.Clear();
        }

        /// <inheritdoc/>
        public void OnRefused(MuxStream from, RefuseCode code, string reason, long now) =>
            throw new InvalidOperationException("Only the side that was asked refuses a stream.");

        private void TryNext(int error, long now)
        {
            _wasRefused |= error == Libc.ECONNREFUSED;
            while (_next < _candidates.Count)
            {
                DialCandidate candidate = _candidates[_next++];
                FileDescriptor? socket = candidate.Open(Libc.SOCK_STREAM, out error);
                if (socket is null)
                    continue;
                SocketOptions.PrepareConnection(socket.Number);
                error = dialer._connect(socket, candidate.Address, _port);
                if (error is 0 or Libc.EINPROGRESS)
                {
                    _socket = socket;
                    dialer._loop.Add(socket.Number, Readiness.Write, this);
                    return;
                }

                socket.Dispose();
                _lacksPort |= error == Libc.EADDRNOTAVAIL && HasAddress(candidate);
                _wasRefused |= error == Libc.ECONNREFUSED;
            }

            if (_lacksPort)
            {
                dialer._waiting.Enqueue((this, now + UntilPortsAreFree));
                return;
            }

            // A host that answers, if only with a refusal, says more than one that cannot be reached.
            if (_wasRefused)
                error = Libc.ECONNREFUSED;

            // connect(2) calls it EADDRNOTAVAIL when this host has no address from which the target could be reached.
            RefuseCode code = error == Libc.EADDRNOTAVAIL ? RefuseCode.NetUnreachable : SocketOptions.ToRefuseCode(error);
            Refuse(code, Libc.Describe(error), now);
        }

        // Whether it was for want of a port: a datagram socket finds one elsewhere, and no address where there is none.
        private bool HasAddress(DialCandidate candidate)
        {
            using FileDescriptor? probe = candidate.Open(Libc.SOCK_DGRAM, out _);
            return probe is null || SocketOptions.Connect(probe, candidate.Address, _port) is not (Libc.EADDRNOTAVAIL or Libc.ENETUNREACH or Libc.EHOSTUNREACH);
        }

        private void Connected(long now)
        {
            FileDescriptor socket = _socket!;
            _socket = null;
            Leave();
            Span<byte> info = stackalloc byte[TargetAddress.MaxLength];
            int length = _byName ? new TargetAddress(_candidates[_next - 1].Address, _port).Encode(info) : 0;
            stream.Accept(info[..length], now);
            dialer.OpenCount++;
            new SocketRelay(dialer._loop, socket, stream, early, _ended, () => dialer.OpenCount--).Start(now);
        }

        private void Leave()
        {
            _done = true;
            if (Node is { List: { } list } node)
                list.Remove(node);
        }

        private void CloseSocket()
        {
            if (_socket is null)
                return;
            dialer._loop.Remove(_socket.Number);
            _socket.Dispose();
            _socket = null;
        }
    }
}
