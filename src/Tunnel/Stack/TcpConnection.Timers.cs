namespace Telepresence.Tunnel.Stack;

// One deadline per connection in the stack's heap: the earlier of the retransmission timer (which is the persist timer while nothing is
// in flight, and the handshake's and the dial's limit before that) and keepalive.
public sealed partial class TcpConnection
{
    private RttEstimator _rtt;
    private long _retransmitAt;
    private long _timedOffset = -1; // when this offset is acknowledged, a round trip is measured; -1: none under way
    private long _timedAt;
    private long _lastHeard;
    private byte _backoff; // doublings of the time-out
    private byte _unanswered; // probes since the peer was heard last
    private long _probedAt; // when the last of them left

    private long Rto => Math.Min(_rtt.Timeout(_stack.Options) << Math.Min((int)_backoff, 16), _stack.Options.MaxRto);

    // From the last probe, not from the last word: a process that was stopped for an hour must ask before it gives everybody up.
    private long KeepAliveAt =>
        _phase != Phase.Open ? long.MaxValue
        : _unanswered == 0 ? _lastHeard + _stack.Options.KeepAliveIdle
        : _probedAt + _stack.Options.KeepAliveInterval;

    private long Deadline => Math.Min(_retransmitAt, KeepAliveAt);

    /// <summary>Puts a new connection's first deadline into the heap.</summary>
    internal void StartTimer() => _stack.Timers.Ensure(this, Deadline);

    private void ArmTimer(long now)
    {
        bool inFlight = _sendNext > _unacknowledged;
        bool waiting = _sendNext < QueueTail || (_endQueued && !_finSent);
        if (!inFlight && !waiting)
            _retransmitAt = long.MaxValue;
        else if (_retransmitAt == long.MaxValue)
            _retransmitAt = now + Rto;
        _stack.Timers.Ensure(this, Deadline);
    }

    /// <summary>The heap's entry has come up, possibly earlier than the true deadline.</summary>
    internal void OnTimer(long now)
    {
        if (now >= _retransmitAt)
        {
            switch (_phase)
            {
                case Phase.Dialing:
                    Supersede(now); // the local program gave up before the far side answered
                    return;
                case Phase.SynReceived:
                    OnHandshakeTimeout(now);
                    break;
                default:
                    if (_sendNext > _unacknowledged)
                        OnRetransmissionTimeout(now);
                    else
                        OnPersist(now);
                    break;
            }
        }
        if (_phase == Phase.Open && now >= KeepAliveAt)
            OnKeepAlive(now);
        if (_phase != Phase.Closed)
            _stack.Timers.Ensure(this, Deadline);
    }

    private void OnHandshakeTimeout(long now)
    {
        if (++_backoff > _stack.Options.MaxRetransmissions / 2)
        {
            Vanish(now);
            return;
        }
        SendSynAck();
        _retransmitAt = now + Rto;
    }

    /// <summary>RFC 6298 §5.4 to §5.6. What the peer SACKed is forgotten, since it may have dropped it (RFC 2018 §8).</summary>
    private void OnRetransmissionTimeout(long now)
    {
        if (++_backoff > _stack.Options.MaxRetransmissions)
        {
            Vanish(now);
            return;
        }
        _stack.Counters.RetransmissionTimeouts++;
        _sacked?.Clear();
        _duplicates = 0;
        _recovering = _afterTimeout = true;
        _recoveryPoint = _sendNext;
        _retransmitNext = _unacknowledged;
        _allowance = _mss;
        _timedOffset = -1;
        _retransmitAt = now + Rto;
        _stack.Touch(this);
    }

    /// <summary>The peer's window is shut or too small to be worth a segment (RFC 9293 §3.8.6.1).</summary>
    private void OnPersist(long now)
    {
        if (_sendEdge > _sendNext || _sendNext == QueueTail)
        {
            // Room for a little, or only a FIN is left, or the device was full: send what fits.
            int fits = (int)Math.Min(Math.Min(_sendEdge - _sendNext, QueueTail - _sendNext), _maxBurst);
            if (fits > 0 || _endQueued)
                SendNew(Math.Max(0, fits), now);
        }
        else
        {
            if (_unanswered >= _stack.Options.MaxRetransmissions)
            {
                Vanish(now);
                return;
            }
            _unanswered++;
            _probedAt = now;
            SendProbe();
        }
        if (_backoff < 16)
            _backoff++;
        _retransmitAt = now + Rto;
    }

    private void OnKeepAlive(long now)
    {
        if (_unanswered >= _stack.Options.KeepAliveProbes && _sendNext == _unacknowledged)
        {
            Vanish(now);
            return;
        }
        _unanswered = (byte)Math.Min(_unanswered + 1, byte.MaxValue);
        _probedAt = now;
        SendProbe();
    }
}
