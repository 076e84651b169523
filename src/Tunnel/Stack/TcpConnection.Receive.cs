using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

// A segment's way in (RFC 9293 §3.10.7.4): reset, SYN, acknowledgment, text, FIN. Urgent data is delivered in line, as RFC 6093 advises.
public sealed partial class TcpConnection
{
    private long _receiveNext; // offset that is expected next
    private long _receiveEdge; // right edge of the window that was advertised
    private long _receiveEnd = long.MaxValue; // offset of the peer's FIN, once seen
    private OutOfOrderStore? _outOfOrder;
    private bool _ackPending;

    internal void OnSegment(in TcpHeader segment, long now)
    {
        switch (_phase)
        {
            case Phase.Closed:
                return;
            case Phase.Dialing:
                // Nothing was sent, so nothing but a SYN (sent again, ignored) or a reset of that SYN makes sense.
                if (segment.Has(TcpFlags.Rst) && segment.Sequence == ReceiveSequence(0))
                    EndByReset();
                return;
            case Phase.SynReceived:
                if (!CompleteHandshake(segment, now))
                    return;
                break;
            default:
                break;
        }

        long start = _receiveNext + (int)(segment.Sequence - ReceiveSequence(_receiveNext));
        if ((segment.Flags & (TcpFlags.Rst | TcpFlags.Syn)) != 0)
        {
            OnResetOrSyn(segment, start);
            return;
        }
        if (!segment.Has(TcpFlags.Ack))
            return;
        _lastHeard = now;
        _unanswered = 0;
        if (start > _receiveEdge)
        {
            // Beyond the window: not acceptable, and says so (RFC 9293 §3.10.7.4 first step).
            AcknowledgeSoon();
            return;
        }
        if (!OnAcknowledgment(segment, start, now))
            return;
        ReceiveText(segment, start, now);
        if (_phase != Phase.Closed)
            TryFinish(now);
    }

    /// <summary>RFC 5961 §3 and §4: a reset counts only with exactly the expected number; what is merely near is challenged.</summary>
    private void OnResetOrSyn(in TcpHeader segment, long start)
    {
        if (segment.Has(TcpFlags.Rst))
        {
            if (start == _receiveNext)
                EndByReset();
            else if (start > _receiveNext && start < Math.Max(_receiveEdge, _receiveNext + 1))
                Challenge();
            return;
        }
        Challenge();
    }

    private void Challenge()
    {
        if (!_stack.Challenges.TryTake(_stack.Now))
            return;
        _stack.Counters.ChallengeAcks++;
        AcknowledgeSoon();
    }

    private void AcknowledgeSoon()
    {
        _ackPending = true;
        _stack.Touch(this);
    }

    private void ReceiveText(in TcpHeader segment, long start, long now)
    {
        ReadOnlySpan<byte> text = segment.Payload;
        bool fin = segment.Has(TcpFlags.Fin);
        if (text.IsEmpty && !fin)
        {
            // A keepalive or window probe has an old number; it wants an answer.
            if (start < _receiveNext)
                AcknowledgeSoon();
            return;
        }
        AcknowledgeSoon();
        long end = start + text.Length;
        if (_finReceived || end + (fin ? 1 : 0) <= _receiveNext)
            return;
        if (start < _receiveNext)
        {
            text = text[(int)(_receiveNext - start)..];
            start = _receiveNext;
        }
        long limit = Math.Min(_receiveEdge, _receiveEnd);
        if (end > limit)
        {
            if (start >= limit)
                return;
            text = text[..(int)(limit - start)];
            end = limit;
            fin = false;
        }
        if (fin)
            _receiveEnd = end;

        if (start != _receiveNext)
        {
            KeepOutOfOrder(start, text);
            return;
        }
        Deliver(text, now);
        if (_outOfOrder is not null)
            DeliverKept(now);
        if (_phase == Phase.Closed || _receiveNext != _receiveEnd)
            return;
        _finReceived = true;
        ReleasePromise();
        _receiveEdge = ++_receiveNext;
        _finSentFirst = _finSent;
        Handler?.OnEnd(this, now);
    }

    private void Deliver(ReadOnlySpan<byte> text, long now)
    {
        if (text.IsEmpty)
            return;
        _receiveNext += text.Length;
        _receiveSpace -= text.Length;
        CountPromise();
        GrowWindow(text.Length, now);
        Handler?.OnData(this, text, now);
    }

    /// <summary>Ahead of a gap: kept if there is room for a store, and acknowledged at once so that the peer counts its duplicates (RFC 5681 §4.2).</summary>
    private void KeepOutOfOrder(long start, ReadOnlySpan<byte> text)
    {
        _stack.Counters.OutOfOrder++;
        if (_outOfOrder is null && _stack.OutOfOrderStores < _stack.Options.MaxOutOfOrderStores)
        {
            _outOfOrder = new OutOfOrderStore(Math.Max(_stack.Options.MaxReceiveWindow, ushort.MaxValue));
            _stack.OutOfOrderStores++;
        }
        _outOfOrder?.Insert(start, text);
        SendAck();
    }

    private void DeliverKept(long now)
    {
        while (_outOfOrder is not null)
        {
            _outOfOrder.Release(_receiveNext);
            ReadOnlySpan<byte> run = _outOfOrder.Peek(_receiveNext);
            if (run.IsEmpty)
                break;
            Deliver(run, now);
        }
        if (_outOfOrder is { IsEmpty: true })
            DropOutOfOrder();
    }

    private void DropOutOfOrder()
    {
        _outOfOrder?.Return();
        _outOfOrder = null;
        _stack.OutOfOrderStores--;
    }

    private void ReleaseReceive()
    {
        if (_outOfOrder is not null)
            DropOutOfOrder();
        ReleasePromise();
    }
}
