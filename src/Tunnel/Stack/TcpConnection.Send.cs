using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

// Segments out. The bridge's bytes are copied once, into the queue; from there they are named to the kernel in place, up to 64 KiB
// per call, and stay until they are acknowledged. Nothing leaves before the end of the loop turn, so that one frame carries what many
// calls have queued and its acknowledgment with it.
public sealed partial class TcpConnection
{
    private ByteQueue? _queue;
    private long _sendNext; // offset of what was never sent

    /// <summary>How many bytes <see cref="Send"/> takes now.</summary>
    public int SendSpace => _phase == Phase.Closed || _endQueued ? 0 : Math.Max(0, _stack.Options.SendBuffer - (_queue?.Length ?? 0));

    /// <summary>Bytes queued for the local program and not acknowledged.</summary>
    public int SendQueued => _queue?.Length ?? 0;

    private long QueueTail => _queue?.Tail ?? 0;

    /// <summary>Copies bytes into the send queue. They leave with the next <see cref="NetworkStack.Flush"/>; allowed before <see cref="Accept"/>.</summary>
    /// <returns>How many were taken: fewer than given when the queue is full, 0 after <see cref="SendEnd"/> or the end.</returns>
    public int Send(ReadOnlySpan<byte> bytes, long now)
    {
        int count = Math.Min(bytes.Length, SendSpace);
        if (count <= 0)
            return 0;
        _stack.Enter(now);
        _queue ??= new ByteQueue(_stack.Pool);
        _queue.Append(bytes[..count]);
        _stack.Touch(this);
        return count;
    }

    /// <summary>End of a loop turn: what may be sent is sent, and if nothing carried the acknowledgment, it goes alone.</summary>
    internal void Output(long now)
    {
        if (_phase != Phase.Open)
            return;
        if (_recovering)
            Retransmit(now);
        Transmit(now);
        if (_ackPending || IsWindowUpdateDue())
            SendAck();
        ArmTimer(now);
    }

    private void Transmit(long now)
    {
        long tail = QueueTail;
        while (_sendNext < tail && !_stack.Blocked)
        {
            long all = tail - _sendNext;
            long fits = Math.Min(_sendEdge - _sendNext, all);
            // Silly window avoidance (RFC 9293 §3.8.6.2.1): a full segment, everything there is, or half of the largest window.
            if (fits <= 0 || (fits < all && fits < _mss && fits < _peerWindowSeen / 2))
                break;
            if (!SendNew((int)Math.Min(fits, _maxBurst), now))
                return;
        }
        if (_endQueued && !_finSent && _sendNext == tail && !_stack.Blocked)
            SendNew(0, now);
    }

    /// <summary>Sends the next <paramref name="length"/> bytes for the first time, with the FIN if they are the last.</summary>
    private bool SendNew(int length, long now)
    {
        long tail = QueueTail;
        if (length > _mss && _sendNext + length < tail)
            length -= length % _mss;
        bool fin = _endQueued && _sendNext + length == tail;
        int sent = SendData(_sendNext, length, fin);
        if (sent < 0)
            return false;
        if (_unacknowledged == _sendNext)
            _retransmitAt = now + Rto;
        _sendNext += sent;
        if (fin && sent == length)
        {
            _sendNext++;
            _finSent = true;
            _finSentFirst = !_finReceived;
        }
        if (_timedOffset < 0 && !_recovering)
        {
            _timedOffset = _sendNext;
            _timedAt = now;
        }
        return true;
    }

    /// <summary>Sends again what is known or assumed to be lost.</summary>
    private void Retransmit(long now)
    {
        while (!_stack.Blocked)
        {
            long from = Math.Max(_retransmitNext, _unacknowledged);
            long limit = _recoveryPoint;
            if (!_afterTimeout)
                limit = Math.Min(limit, Math.Max(_unacknowledged + _mss, _sacked?.Highest ?? 0));
            else if (_allowance <= 0)
                return;
            if (from >= limit)
                return;
            long start = from, end = limit;
            if (_sacked is not null && !_sacked.TryNextHole(from, limit, out start, out end))
                return;
            end = Math.Min(end, start + _maxBurst);
            if (_afterTimeout)
                end = Math.Min(end, start + Math.Max(_allowance, _mss));
            long tail = QueueTail;
            bool fin = _finSent && end > tail;
            int length = (int)(Math.Min(end, tail) - start);
            int sent = SendData(start, length, fin);
            if (sent < 0)
                return;
            _stack.Counters.Retransmissions++;
            _retransmitNext = start + sent + (fin && sent == length ? 1 : 0);
            _allowance -= sent + 1;
            _timedOffset = -1; // Karn: an answer could be to either copy
            if (_retransmitAt == long.MaxValue)
                _retransmitAt = now + Rto;
        }
    }

    /// <returns>Payload bytes sent, which are fewer than asked (and without the FIN) when the queue is in very many pieces; -1 when the device is full.</returns>
    private int SendData(long offset, int length, bool fin)
    {
        TcpFlags flags = TcpFlags.Ack;
        if (fin)
            flags |= TcpFlags.Fin;
        if (length > 0 && offset + length == QueueTail)
            flags |= TcpFlags.Psh;
        int sent = _stack.SendSegment(
            Flow, flags, SendSequence(offset), ReceiveSequence(_receiveNext), AdvertiseWindow(_receiveShift), default, _queue, offset, length, _mss);
        if (sent >= 0 && _outOfOrder is null)
            _ackPending = false; // with a gap open the blocks have to go, which only a bare ACK carries
        return sent;
    }

    /// <summary>A bare acknowledgment, with SACK blocks while there is a gap.</summary>
    private void SendAck()
    {
        Span<byte> options = stackalloc byte[4 + 8 * TcpOptions.MaximumSackBlocks];
        int optionsLength = 0;
        if (_outOfOrder is { IsEmpty: false } store && _sackPermitted)
            optionsLength = WriteSackBlocks(store, options);
        if (_stack.SendSegment(
            Flow, TcpFlags.Ack, SendSequence(_sendNext), ReceiveSequence(_receiveNext), AdvertiseWindow(_receiveShift), options[..optionsLength]) >= 0)
            _ackPending = false;
        else
            AcknowledgeSoon();
    }

    private int WriteSackBlocks(OutOfOrderStore store, Span<byte> options)
    {
        Span<(long Start, long End)> blocks = stackalloc (long, long)[TcpOptions.MaximumSackBlocks];
        int count = store.CopyBlocks(blocks);
        int length = TcpOptions.WriteSackPrefix(options, count);
        for (int i = 0; i < count; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(options[(4 + 8 * i)..], ReceiveSequence(blocks[i].Start));
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(options[(8 + 8 * i)..], ReceiveSequence(blocks[i].End));
        }
        return length;
    }

    private void SendSynAck()
    {
        Span<byte> options = stackalloc byte[12];
        int headers = (Flow.IsIPv4 ? IPv4Header.MinimumSize : IPv6Header.Size) + TcpHeader.MinimumSize;
        int shift = _windowScaling ? _receiveShift : -1;
        int length = TcpOptions.WriteHandshake(options, (ushort)(_stack.Options.Mtu - headers), shift, _sackPermitted);
        // The window of a SYN is never scaled (RFC 7323 §2.2).
        _stack.SendSegment(Flow, TcpFlags.Syn | TcpFlags.Ack, _iss, ReceiveSequence(0), AdvertiseWindow(0), options[..length]);
    }

    /// <summary>An old byte's number and no data: the peer answers with its acknowledgment and window (RFC 9293 §3.8.4, §3.8.6.1).</summary>
    private void SendProbe() =>
        _stack.SendSegment(
            Flow, TcpFlags.Ack, SendSequence(_unacknowledged - 1), ReceiveSequence(_receiveNext), AdvertiseWindow(_receiveShift), default);
}
