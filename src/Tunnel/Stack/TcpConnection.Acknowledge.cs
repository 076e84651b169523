using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

// What a segment says about our data: cumulative acknowledgment, window, SACK blocks, duplicates; and from these, when to recover.
public sealed partial class TcpConnection
{
    private const int DuplicateThreshold = 3;

    private long _unacknowledged; // oldest offset not acknowledged
    private long _sendEdge; // right edge of the peer's window, as an offset
    private long _windowSequence = long.MinValue; // receive offset of the segment that gave the window last (SND.WL1)
    private long _peerWindowSeen; // the largest window the peer ever showed
    private int _duplicates;
    private SackScoreboard? _sacked;

    // Recovery: offsets below _recoveryPoint are being repaired, those below _retransmitNext have been sent again.
    private bool _recovering;
    private bool _afterTimeout; // everything not SACKed counts as lost; paced by _allowance
    private long _recoveryPoint;
    private long _retransmitNext;
    private long _allowance;

    /// <summary>Takes the acknowledgment in.</summary>
    /// <returns>Whether the rest of the segment may be processed.</returns>
    private bool OnAcknowledgment(in TcpHeader segment, long start, long now)
    {
        long ack = _unacknowledged + (int)(segment.Acknowledgment - SendSequence(_unacknowledged));
        if (ack > _sendNext)
        {
            // Something that was never sent (RFC 9293 §3.10.7.4 fifth step).
            AcknowledgeSoon();
            return false;
        }
        if (ack < _unacknowledged - Math.Max(_peerWindowSeen, ushort.MaxValue))
        {
            // Older than anything the network can still hold (RFC 5961 §5).
            Challenge();
            return false;
        }

        bool windowChanged = false;
        if (ack >= _unacknowledged && start >= _windowSequence)
        {
            long window = (long)segment.Window << _sendShift;
            long edge = ack + window;
            windowChanged = edge != _sendEdge;
            if (windowChanged && edge > _sendNext)
            {
                _stack.Touch(this);
                if (_unacknowledged == _sendNext)
                    _backoff = 0; // the persist timer has done its work
            }
            _sendEdge = edge;
            _windowSequence = start;
            _peerWindowSeen = Math.Max(_peerWindowSeen, window);
        }

        bool newSack = _sackPermitted && segment.HeaderLength > TcpHeader.MinimumSize && TakeSackBlocks(segment);
        if (ack > _unacknowledged)
            Advance(ack, now);
        else if (ack == _unacknowledged && _sendNext > ack && (newSack || (segment.SequenceLength == 0 && !windowChanged)))
            OnDuplicate(now);
        return _phase != Phase.Closed;
    }

    /// <summary>New data is acknowledged: it leaves the queue, and its length goes back to the bridge as room.</summary>
    private void Advance(long ack, long now)
    {
        long tail = QueueTail;
        int data = (int)(Math.Min(ack, tail) - Math.Min(_unacknowledged, tail));
        _unacknowledged = ack;
        _duplicates = 0;
        _backoff = 0;
        if (_timedOffset >= 0 && ack >= _timedOffset)
        {
            _rtt.Sample(now - _timedAt);
            _timedOffset = -1;
        }
        _queue?.Release(Math.Min(ack, tail));
        _sacked?.Release(ack);
        if (_finSent && ack > tail)
            _finAcknowledged = true;
        if (_recovering)
            ContinueRecovery(data);
        _retransmitAt = _sendNext > ack ? now + Rto : long.MaxValue;
        _stack.Touch(this);
        if (data > 0)
            Handler?.OnSendSpace(this, data, now);
    }

    private void ContinueRecovery(int acknowledged)
    {
        if (_unacknowledged >= _recoveryPoint)
        {
            _recovering = _afterTimeout = false;
            return;
        }
        // A partial acknowledgment: the next hole is lost as well (RFC 6582), or, after a time-out, more may follow each ACK.
        if (_afterTimeout)
            _allowance = 2L * acknowledged + _mss;
        else if (_sacked is null or { IsEmpty: true })
            _retransmitNext = _unacknowledged;
    }

    private void OnDuplicate(long now)
    {
        _duplicates++;
        if (_recovering)
        {
            _stack.Touch(this); // new SACK blocks may have opened new holes
            return;
        }
        // With less than four segments in flight three duplicates cannot come (RFC 5827); the link itself does not reorder.
        long inFlight = _sendNext - _unacknowledged;
        int threshold = (int)Math.Clamp((inFlight + _mss - 1) / _mss - 1, 1, DuplicateThreshold);
        bool lost = _duplicates >= threshold || (_sacked is not null && _sacked.Bytes >= (long)DuplicateThreshold * _mss);
        if (!lost)
            return;
        _stack.Counters.FastRetransmits++;
        _recovering = true;
        _afterTimeout = false;
        _recoveryPoint = _sendNext;
        _retransmitNext = _unacknowledged;
        _timedOffset = -1;
        _retransmitAt = now + Rto;
        _stack.Touch(this);
    }

    private bool TakeSackBlocks(in TcpHeader segment)
    {
        TcpOptions options = TcpOptions.Parse(segment.Options);
        bool news = false;
        for (int i = 0; i < options.SackBlockCount; i++)
        {
            (uint left, uint right) = options.SackBlock(i);
            long start = _unacknowledged + (int)(left - SendSequence(_unacknowledged));
            long end = _unacknowledged + (int)(right - SendSequence(_unacknowledged));
            // A block below the cumulative acknowledgment reports a duplicate (RFC 2883); one beyond what was sent is nonsense.
            if (start < _unacknowledged || start >= end || end > _sendNext)
                continue;
            _sacked ??= new SackScoreboard();
            news |= _sacked.Add(start, end);
        }
        return news;
    }
}
