using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

// Opening, refusing, closing. The states of RFC 9293 are derived from a phase and four facts about the two FINs, because every
// transition of the open phase is one of these becoming true.
public sealed partial class TcpConnection
{
    private bool _endQueued; // the bridge has called SendEnd
    private bool _finSent;
    private bool _finAcknowledged;
    private bool _finReceived;
    private bool _finSentFirst; // our FIN left before the peer's arrived, so TIME-WAIT is ours

    /// <summary>The far side has connected: answers the SYN. Does nothing unless <see cref="State"/> is <see cref="TcpState.Dialing"/>.</summary>
    /// <exception cref="InvalidOperationException">No <see cref="Handler"/> is set.</exception>
    public void Accept(long now)
    {
        if (_phase != Phase.Dialing)
            return;
        if (Handler is null)
            throw new InvalidOperationException("A connection needs a handler before it is accepted.");
        _phase = Phase.SynReceived;
        _stack.Enter(now);
        _lastHeard = now;
        _timedAt = now;
        SendSynAck();
        _retransmitAt = now + _stack.Options.InitialRto;
        _stack.Timers.Ensure(this, _retransmitAt);
    }

    /// <summary>The far side could not be reached: tells the local program why, and forgets the connection. Afterwards no handler is called.</summary>
    public void Refuse(RefusalReason reason, long now)
    {
        if (_phase != Phase.Dialing)
        {
            Abort(now);
            return;
        }
        _stack.Enter(now);
        if (reason == RefusalReason.Refused)
            _stack.SendReset(Flow, 0, _irs + 1, withAck: true);
        else if (reason != RefusalReason.Timeout)
            _stack.SendTcpUnreachable(Flow, _irs, reason);
        Forget();
    }

    /// <summary>Ends the direction to the local program: a FIN follows what is queued. The other direction stays open.</summary>
    public void SendEnd(long now)
    {
        if (_endQueued || _phase == Phase.Closed)
            return;
        _endQueued = true;
        _stack.Enter(now);
        _stack.Touch(this);
    }

    /// <summary>Ends both directions at once: a RST, and what is queued is dropped. Afterwards no handler is called.</summary>
    public void Abort(long now)
    {
        if (_phase == Phase.Closed)
            return;
        _stack.Enter(now);
        if (_phase == Phase.Dialing)
            _stack.SendReset(Flow, 0, _irs + 1, withAck: true);
        else
            _stack.SendReset(Flow, SendSequence(_sendNext), ReceiveSequence(_receiveNext), withAck: true);
        Forget();
    }

    /// <summary>The handshake of a connection that was accepted but not acknowledged. Returns whether the segment may be processed further.</summary>
    private bool CompleteHandshake(in TcpHeader segment, long now)
    {
        if (segment.Has(TcpFlags.Rst))
        {
            if (segment.Sequence == ReceiveSequence(_receiveNext))
                EndByReset();
            return false;
        }
        if (segment.Has(TcpFlags.Syn))
        {
            // Our SYN-ACK was lost, or crossed with this one.
            if (segment.Sequence == _irs)
                SendSynAck();
            return false;
        }
        if (!segment.Has(TcpFlags.Ack))
            return false;
        if (segment.Acknowledgment != SendSequence(0))
        {
            _stack.SendReset(Flow, segment.Acknowledgment, 0, withAck: false);
            return false;
        }
        if (_backoff == 0)
            _rtt.Sample(now - _timedAt);
        _backoff = 0;
        _phase = Phase.Open;
        _retransmitAt = long.MaxValue;
        _stack.HalfOpen--;
        _windowSequence = 0;
        _sendEdge = (long)segment.Window << _sendShift;
        _peerWindowSeen = Math.Max(_peerWindowSeen, _sendEdge);
        _stack.Touch(this);
        return true;
    }

    /// <summary>Both FINs are in and acknowledged: the last ACK goes out, and what TIME-WAIT needs stays behind.</summary>
    private bool TryFinish(long now)
    {
        if (!_finReceived || !_finAcknowledged)
            return false;
        if (_ackPending)
            SendAck();
        if (_finSentFirst)
            _stack.TimeWait.Add(Flow, SendSequence(_sendNext), ReceiveSequence(_receiveNext), now);
        else
            _stack.EndTimeWait(Flow, SendSequence(_sendNext));
        Forget();
        Handler?.OnClosed(this, now);
        return true;
    }

    private void EndByReset()
    {
        _stack.Counters.ResetsIn++;
        Forget();
        Handler?.OnReset(this, _stack.Now);
    }

    /// <summary>The kernel itself does not answer any more: its namespace or interface is gone.</summary>
    private void Vanish(long now)
    {
        _stack.Counters.PeersVanished++;
        if (_phase != Phase.Dialing)
            _stack.SendReset(Flow, SendSequence(_sendNext), ReceiveSequence(_receiveNext), withAck: true);
        Forget();
        Handler?.OnReset(this, now);
    }

    /// <summary>Another connection has taken over the four-tuple, so the local program has given this one up.</summary>
    internal void Supersede(long now)
    {
        Forget();
        Handler?.OnReset(this, now);
    }

    private void Forget()
    {
        _stack.Forget(this);
        _phase = Phase.Closed;
        ReleaseReceive();
        _queue?.Clear();
    }
}
