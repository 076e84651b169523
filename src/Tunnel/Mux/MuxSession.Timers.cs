namespace Telepresence.Tunnel.Mux;

// Everything that happens because time passes.
public sealed partial class MuxSession
{
    // A new link is pinged so often in a row: what runs for the first time is slow, and one slow answer would pass for a long way.
    private const int FirstPings = 5;

    private RoundTripMeter _roundTrip;
    private long _lastReceived;
    private long _linkUpAt;
    private long _suspendedAt;

    // Whether a ping was decided on and has not been answered, since when, and the token that its answer must carry.
    private bool _pingOut;
    private long _pingSince;
    private long _pingToken;
    private long _nextPing;

    private bool _ackNow;
    private long _ackDue = long.MaxValue;
    private int _unacknowledgedBytes;
    private int _unacknowledgedFrames;

    /// <summary>When <see cref="Poll"/> must be called next, in microseconds; <see cref="long.MaxValue"/> for never.</summary>
    public long NextDeadline
    {
        get
        {
            if (State == SessionState.Ended)
                return long.MaxValue;
            if (!_linkUp)
                return State == SessionState.Suspended ? _suspendedAt + Options.SessionTimeout : long.MaxValue;
            if (!_ready)
                return _linkUpAt + Options.LinkTimeout;
            return Math.Min(_ackNow ? long.MaxValue : _ackDue, _pingOut ? DeadAt : _nextPing);
        }
    }

    private long DeadAt => Math.Max(_pingSince, _lastReceived) + Options.LinkTimeout;

    /// <summary>Does what is due. May be called at any time.</summary>
    public void Poll(long now)
    {
        if (now < NextDeadline)
            return;
        if (!_linkUp)
        {
            EndSession($"no link for {Options.SessionTimeout / 1_000_000} seconds", tellPeer: false, now);
            return;
        }

        if (!_ready)
        {
            DropLink($"no answer to the hello within {Options.LinkTimeout / 1_000_000} seconds", now);
            return;
        }

        if (_pingOut && now >= DeadAt)
        {
            DropLink($"nothing came for {Options.LinkTimeout / 1_000_000} seconds", now);
            return;
        }

        if (!_pingOut && now >= _nextPing)
            WantPing(now);
        if (now >= _ackDue)
            _ackNow = true;
        Wake();
    }

    private void WantPing(long now)
    {
        _pingWanted = _pingOut = true;
        _pingSince = now;
    }

    private void ReceivePong(ulong token, long now)
    {
        if (!_pingOut || _pingWanted || token != (ulong)_pingToken)
            return;
        _counters.Pongs++;
        _roundTrip.Add(now - _pingToken);
        _linkWindow.Seen(_roundTrip.Last, now);
        _pingOut = false;
        _nextPing = now + Options.PingInterval;
        if (_roundTrip.Count < FirstPings)
            WantPing(now);
    }

    private void OweAcknowledgement(long now)
    {
        _unacknowledgedFrames++;
        if (_ackDue == long.MaxValue)
            _ackDue = now + Options.AckDelay;
        bool asked = _frame.Detail == FrameHeader.AcknowledgeNow && _frame.Type is FrameType.Data or FrameType.Datagram;
        if (asked || _unacknowledgedBytes >= Options.AckBytes || _unacknowledgedFrames >= Options.MaxUnacknowledgedFrames / 256)
            _ackNow = true;
    }

    private void AcknowledgementWritten()
    {
        _ackNow = false;
        _ackDue = long.MaxValue;
        _unacknowledgedBytes = _unacknowledgedFrames = 0;
    }
}
