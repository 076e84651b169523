using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>What to do with a link that has said a valid hello; its session knows of it already.</summary>
/// <param name="session">Whose link it is.</param>
/// <param name="link">The link; the callee owns it now.</param>
/// <param name="rest">What came behind the hello, for <see cref="MuxSession.Receive"/>; valid during the call.</param>
/// <param name="now">Microseconds, monotonic.</param>
public delegate void LinkAdmitted(MuxSession session, FileDescriptor link, ReadOnlySpan<byte> rest, long now);

/// <summary>
/// The sockets of the proxy's door: takes connections, reads until <see cref="MuxAcceptor"/> has judged the hello, and hands the link
/// to its session or sends the refusal.
/// </summary>
/// <remarks>Whoever connects without saying a whole hello in time, or when too many do so at once, is disconnected.</remarks>
public sealed unsafe class LinkAcceptor : ITurnHandler, IDisposable
{
    private const int AcceptsPerReady = 16;

    // Links wait equally long for their hello, so the oldest is always first.
    private readonly LinkedList<PendingLink> _pending = [];
    private readonly List<int> _listeners = [];
    private readonly SpareDescriptor _spare = new();
    private readonly EventLoop _loop;
    private readonly MuxAcceptor _acceptor;
    private readonly LinkAdmitted _admitted;
    private readonly Action<string> _log;
    private readonly long _helloTimeout;
    private readonly int _maxPending;

    /// <summary>Makes a door and adds it to the loop. On the loop's thread.</summary>
    /// <param name="loop">Whose thread this is.</param>
    /// <param name="acceptor">Judges hellos.</param>
    /// <param name="admitted">Gets the links that were let in.</param>
    /// <param name="log">Gets a line for each link that was not.</param>
    /// <param name="maxPending">How many links may be without a hello at once; the oldest gives way.</param>
    /// <param name="helloTimeout">How long a hello may take, in microseconds.</param>
    public LinkAcceptor(EventLoop loop, MuxAcceptor acceptor, LinkAdmitted admitted, Action<string> log, int maxPending, long helloTimeout)
    {
        _loop = loop;
        _acceptor = acceptor;
        _admitted = admitted;
        _log = log;
        _maxPending = maxPending;
        _helloTimeout = helloTimeout;
        loop.AddTurnHandler(this);
    }

    /// <summary>Links that have not said a whole hello yet.</summary>
    public int PendingCount => _pending.Count;

    /// <inheritdoc/>
    public long NextDeadline => _pending.First?.Value.Deadline ?? long.MaxValue;

    /// <summary>Takes connections from a listening, non-blocking stream socket, which stays the caller's.</summary>
    public void Listen(FileDescriptor listener)
    {
        _loop.Add(listener.Number, Readiness.Read, new Listener(this, listener));
        _listeners.Add(listener.Number);
    }

    /// <summary>Takes a connected, non-blocking stream socket.</summary>
    public void Take(FileDescriptor link, long now)
    {
        if (_pending.Count >= _maxPending)
            _pending.First!.Value.Drop("too many links without a hello");
        PendingLink pending = new(this, link, now + _helloTimeout);
        pending.Node = _pending.AddLast(pending);
        _loop.Add(link.Number, Readiness.Read, pending);
    }

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        while (_pending.First is { } oldest && oldest.Value.Deadline <= now)
            oldest.Value.Drop("no hello in time");
    }

    /// <summary>Stops accepting and drops the links without a hello. Not from inside a turn handler.</summary>
    public void Dispose()
    {
        foreach (int listener in _listeners)
            _loop.Remove(listener);
        _listeners.Clear();
        while (_pending.First is { } oldest)
            oldest.Value.Drop("the proxy is being stopped");
        _loop.RemoveTurnHandler(this);
        _spare.Close();
    }

    private sealed class Listener(LinkAcceptor door, FileDescriptor socket) : IReadyHandler
    {
        public void OnReady(Readiness readiness, long now)
        {
            for (int i = 0; i < AcceptsPerReady; i++)
            {
                if (door._spare.Accept(socket, out _) is not { } link)
                    return;
                door.Take(link, now);
            }
        }
    }

    private sealed class PendingLink(LinkAcceptor door, FileDescriptor link, long deadline) : IReadyHandler
    {
        private const string ClosedEarly = "closed before its hello was complete";

        private readonly byte[] _bytes = new byte[Hello.MaxSize];
        private int _filled;

        internal long Deadline => deadline;

        internal LinkedListNode<PendingLink>? Node { get; set; }

        internal void Drop(string reason)
        {
            Leave();
            link.Dispose();

            // A readiness probe connects and goes away again; that is no event.
            if (_filled > 0 || reason != ClosedEarly)
                door._log($"link dropped: {reason}");
        }

        public void OnReady(Readiness readiness, long now)
        {
            nint count;
            fixed (byte* at = &_bytes[_filled])
                count = Libc.recv(link.Number, at, (nuint)(_bytes.Length - _filled), Libc.MSG_DONTWAIT);
            if (count < 0 && Libc.Errno is Libc.EAGAIN or Libc.EINTR)
                return;
            if (count <= 0)
            {
                Drop(ClosedEarly);
                return;
            }

            _filled += (int)count;
            Judge(now);
        }

        private void Judge(long now)
        {
            byte* refusal = stackalloc byte[MuxAcceptor.MaxRefusalSize];
            LinkAdmission admission = door._acceptor.Admit(_bytes.AsSpan(0, _filled), new Span<byte>(refusal, MuxAcceptor.MaxRefusalSize), now);
            switch (admission.Outcome)
            {
                case HelloParse.NeedMore when _filled < _bytes.Length:
                    return;
                case HelloParse.Ok:
                    Leave();
                    door._admitted(admission.Session!, link, _bytes.AsSpan(admission.Consumed, _filled - admission.Consumed), now);
                    return;
            }

            // A fresh socket takes a few hundred bytes at once; should it not, the link is closed without the reason.
            Libc.send(link.Number, refusal, (nuint)admission.RefusalLength, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            Libc.shutdown(link.Number, Libc.SHUT_WR);
            Drop(admission.Reason ?? "its hello is too long");
        }

        private void Leave()
        {
            door._loop.Remove(link.Number);
            door._pending.Remove(Node!);
        }
    }
}
