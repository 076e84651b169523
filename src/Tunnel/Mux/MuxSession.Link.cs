namespace Telepresence.Tunnel.Mux;

// Links come and go here: handshake, takeover, loss, the end of the session.
public sealed partial class MuxSession
{
    // Links in a row that broke the protocol without delivering one good frame; then it is no accident.
    private const int MostLinkFaults = 5;

    private readonly byte[] _greeting = new byte[Welcome.MaxSize];
    private int _greetingLength;
    private bool _linkUp;
    private bool _ready;
    private bool _wasEstablished;
    private int _linkFaults;

    // Changes whenever the link does, so that Receive notices when a handler took the link away under it.
    private int _generation;

    /// <summary>Client: a new byte stream to the proxy exists. The hello goes out first. A link that was still up is dropped.</summary>
    public void LinkUp(long now)
    {
        if (Role != SessionRole.Client)
            throw new InvalidOperationException("The server's links come through AcceptLink.");
        if (State == SessionState.Ended)
            return;
        DropLink("replaced by a new link", now);
        BeginLink(now);
        _linkOutTail = Hello.Write(_linkOut, Options, _wasEstablished, (uint)_received);
        Wake();
    }

    /// <summary>Server: a link whose hello names this session exists. A link that was still up is dropped: the client knows best.</summary>
    /// <param name="hello">Already verified (<see cref="MuxAcceptor"/> does it).</param>
    /// <param name="now">Microseconds, monotonic.</param>
    /// <returns><see cref="HelloRefusal.None"/>, or why the link cannot be taken.</returns>
    public HelloRefusal AcceptLink(in Hello hello, long now)
    {
        if (Role != SessionRole.Server)
            throw new InvalidOperationException("The client's links come through LinkUp.");
        if (State == SessionState.Ended)
            return HelloRefusal.UnknownSession;
        if (_log.Expand(hello.Received) > _log.Begun)
        {
            EndSession("client and proxy disagree about what was sent", tellPeer: false, now);
            return HelloRefusal.OutOfStep;
        }

        DropLink("replaced by a new link of the same client", now);
        if (State == SessionState.Ended)
            return HelloRefusal.UnknownSession;
        BeginLink(now);
        PeerVersion = hello.Version;
        _linkOutTail = Welcome.Write(_linkOut, Options, (uint)_received);
        Ready(hello.Received, hello.EarlyWindow, hello.IsDirect, now);
        return HelloRefusal.None;
    }

    /// <summary>The link broke. Streams live on.</summary>
    public void LinkDown(string reason, long now)
    {
        if (!_linkUp)
            return;
        ForgetLink();
        if (State == SessionState.Ended)
            ReleaseEverything();
        else
            Suspend(reason, now);
    }

    private void BeginLink(long now)
    {
        _linkUp = true;
        _linkUpAt = now;
        _lastReceived = now;
    }

    private void ForgetLink()
    {
        _generation++;
        _linkUp = _ready = _signalled = false;
        _linkOutHead = _linkOutTail = _planned = _partial = _greetingLength = 0;
        _headerFill = _bodyFill = 0;
        _inFrame = false;
        _pingWanted = _pongWanted = false;
        _pingOut = false;
        AcknowledgementWritten();
        TakeBackUnbegun();
    }

    /// <summary>Gives up a link that the owner believes in, and says so.</summary>
    private void DropLink(string reason, long now)
    {
        if (!_linkUp)
            return;
        ForgetLink();
        _handler.OnLinkDead(reason, now);
        if (State == SessionState.Ended)
            ReleaseEverything();
        else
            Suspend(reason, now);
    }

    private void Suspend(string reason, long now)
    {
        if (State != SessionState.Established)
            return;
        State = SessionState.Suspended;
        _suspendedAt = now;
        _handler.OnSuspended(reason, now);
    }

    /// <summary>The handshake is complete: both sides know where to go on.</summary>
    private void Ready(uint peerReceived, uint peerEarlyWindow, bool direct, long now)
    {
        _ready = true;
        _counters.Links++;
        _cursor = _log.Expand(peerReceived);
        _peerEarlyWindow = Math.Min(peerEarlyWindow, (uint)Options.MaxWindow);
        _roundTrip.Restart();
        _linkWindow.Restart(direct);
        WantPing(now);
        bool first = !_wasEstablished;
        _wasEstablished = true;
        State = SessionState.Established;
        int generation = _generation;
        Acknowledged(_cursor, now);
        GrantEarlyWindow(now);
        if (generation != _generation || State == SessionState.Ended)
            return;
        if (first)
            _handler.OnEstablished(now);
        else
            _handler.OnResumed(now);
        Wake();
    }

    /// <summary>Streams opened before the first handshake learn how much they may send.</summary>
    private void GrantEarlyWindow(long now)
    {
        foreach (MuxStream stream in _streams.Values.ToArray())
        {
            if (!stream.OpenedHere || stream.IsAccepted || stream.IsClosed || stream.SendLimit >= _peerEarlyWindow)
                continue;
            RaiseLimit(stream, _peerEarlyWindow, now);
        }
    }

    private ReadOnlySpan<byte> ReceiveWelcome(ReadOnlySpan<byte> bytes, long now)
    {
        int before = _greetingLength;
        int taken = Math.Min(bytes.Length, _greeting.Length - before);
        bytes[..taken].CopyTo(_greeting.AsSpan(before));
        _greetingLength += taken;
        switch (Welcome.TryParse(_greeting.AsSpan(0, _greetingLength), out Welcome welcome, out int consumed))
        {
            case HelloParse.NeedMore:
                return default;
            case HelloParse.Bad:
                FailLink("what answers there is not a Telepresence proxy", now);
                return default;
        }

        PeerVersion = welcome.Version;
        if (welcome.Format != Preamble.CurrentFormat)
        {
            Refusal = HelloRefusal.WrongVersion;
            EndSession(MuxAcceptor.WrongVersion(Options.Version, PeerVersion), tellPeer: false, now);
            return default;
        }

        if (welcome.Refusal != HelloRefusal.None)
        {
            Refusal = welcome.Refusal;
            EndSession(welcome.Reason, tellPeer: false, now);
            return default;
        }

        if (_log.Expand(welcome.Received) > _log.Begun)
        {
            Refusal = HelloRefusal.OutOfStep;
            EndSession("client and proxy disagree about what was sent; connect again", tellPeer: false, now);
            return default;
        }

        bytes = bytes[(consumed - before)..];
        Ready(welcome.Received, welcome.EarlyWindow, Options.DirectLink, now);
        return bytes;
    }

    /// <summary>What the link delivers makes no sense. The next link may heal it.</summary>
    private void FailLink(string reason, long now)
    {
        _counters.ProtocolErrors++;
        if (++_linkFaults > MostLinkFaults)
            EndSession($"the link keeps delivering garbage: {reason}", tellPeer: false, now);
        else
            DropLink(reason, now);
    }

    /// <summary>The peer contradicts itself or this side. No new link can heal that.</summary>
    private void FailSession(string reason, long now)
    {
        _counters.ProtocolErrors++;
        EndSession($"protocol error: {reason}", tellPeer: true, now);
    }

    private void EndSession(string reason, bool tellPeer, long now)
    {
        if (State == SessionState.Ended)
            return;
        State = SessionState.Ended;
        EndReason = reason;
        if (_linkUp && _ready && tellPeer)
        {
            Span<byte> text = stackalloc byte[FrameHeader.MaxReason];
            WriteLinkFrame(FrameType.Goodbye, 0, text[..WireText.Write(reason, text)]);
        }

        foreach (MuxStream stream in _streams.Values.ToArray())
        {
            if (stream.IsClosed)
                continue;
            Close(stream);
            stream.Handler?.OnReset(stream, RefuseCode.SessionEnded, now);
        }

        // A frame that the link has in part must be finished before the goodbye, so its bytes stay until then.
        if (!_linkUp)
            ReleaseEverything();
        _handler.OnEnded(reason, now);
        Wake();
    }

    private void ReleaseEverything()
    {
        Acknowledged(_log.Next, _lastReceived);
        _log.Begun = _cursor = _log.Next;
        _control.Clear();
        _scheduler.Clear();
        while (TakeCredit() is not null)
        {
        }
    }
}
