using System.Buffers.Binary;

namespace Telepresence.Tunnel.Mux;

// What comes from the link: slices to frames, frames to streams.
public sealed partial class MuxSession
{
    private readonly byte[] _header = new byte[FrameHeader.Size];
    private byte[] _body = [];
    private int _headerFill;
    private int _bodyFill;
    private bool _receiving;

    // The frame whose header has been read, how much of its payload has come, and whether it is one that was received before.
    private bool _inFrame;
    private FrameHeader _frame;
    private int _frameFill;
    private bool _duplicate;

    // Number of the frame expected next; of that frame, payload that an earlier link has delivered already.
    private long _received;
    private FrameHeader _cutFrame;
    private int _delivered;

    /// <summary>Takes what the link delivered, in any slicing. Never throws because of what the bytes are.</summary>
    public void Receive(ReadOnlySpan<byte> bytes, long now)
    {
        if (!_linkUp || State == SessionState.Ended)
            return;
        _lastReceived = now;
        _counters.BytesReceived += bytes.Length;
        _receiving = true;
        try
        {
            if (!_ready)
                bytes = ReceiveWelcome(bytes, now);
            if (_ready)
                ReceiveFrames(bytes, now);
        }
        finally
        {
            _receiving = false;
        }
    }

    private void ReceiveFrames(ReadOnlySpan<byte> bytes, long now)
    {
        int generation = _generation;
        while (!bytes.IsEmpty && generation == _generation && State != SessionState.Ended)
        {
            if (!_inFrame)
            {
                if (!TakeHeader(ref bytes) || !BeginFrame(now))
                    return;
                if (_frame.Length > 0 && bytes.IsEmpty)
                    return;
            }

            int taken = Math.Min(_frame.Length - _frameFill, bytes.Length);
            ReadOnlySpan<byte> payload = bytes[..taken];
            bytes = bytes[taken..];
            _frameFill += taken;
            bool complete = _frameFill == _frame.Length;
            if (_duplicate)
                _inFrame = !complete;
            else if (_frame.Type == FrameType.Data)
                ReceiveData(payload, complete, now);
            else if (complete)
                Dispatch(_bodyFill == 0 ? payload : Keep(payload), now);
            else
                Keep(payload);
        }
    }

    private bool TakeHeader(ref ReadOnlySpan<byte> bytes)
    {
        if (_headerFill == 0 && bytes.Length >= FrameHeader.Size)
        {
            _frame = FrameHeader.Read(bytes);
            bytes = bytes[FrameHeader.Size..];
            return true;
        }

        int taken = Math.Min(FrameHeader.Size - _headerFill, bytes.Length);
        bytes[..taken].CopyTo(_header.AsSpan(_headerFill));
        _headerFill += taken;
        bytes = bytes[taken..];
        if (_headerFill < FrameHeader.Size)
            return false;
        _headerFill = 0;
        _frame = FrameHeader.Read(_header);
        return true;
    }

    /// <returns>False when the link or the session did not survive the header.</returns>
    private bool BeginFrame(long now)
    {
        _frameFill = 0;
        _bodyFill = 0;
        _duplicate = false;
        if (!_frame.IsValid)
        {
            FailLink("the link delivered bytes that are no frame", now);
            return false;
        }

        if (_frame.IsSequenced)
        {
            int ahead = (int)(_frame.Sequence - (uint)_received);
            if (ahead > 0)
            {
                FailLink("the link left out a frame", now);
                return false;
            }

            _duplicate = ahead < 0;
            if (_duplicate)
            {
                _counters.FramesDuplicate++;
                OweAcknowledgement(now);
            }
            else if (_delivered > 0 && _frame != _cutFrame)
            {
                FailSession("a frame changed when it was sent again", now);
                return false;
            }
        }

        _inFrame = true;
        return true;
    }

    /// <summary>Collects the payload of a frame that came in pieces.</summary>
    private ReadOnlySpan<byte> Keep(ReadOnlySpan<byte> payload)
    {
        if (_body.Length < _frame.Length)
            Array.Resize(ref _body, Math.Max(_frame.Length, 2048));
        payload.CopyTo(_body.AsSpan(_bodyFill));
        _bodyFill += payload.Length;
        return _body.AsSpan(0, _bodyFill);
    }

    private void ReceiveData(ReadOnlySpan<byte> payload, bool complete, long now)
    {
        int repeated = Math.Min(payload.Length, _delivered - (_frameFill - payload.Length));
        if (repeated > 0)
            payload = payload[repeated..];
        uint id = _frame.StreamId;
        if (complete)
        {
            CompleteSequenced(now);
        }
        else
        {
            _cutFrame = _frame;
            _delivered = Math.Max(_delivered, _frameFill);
        }

        if (payload.IsEmpty)
            return;
        if (!_streams.TryGetValue(id, out MuxStream? stream))
        {
            if (complete)
                _counters.FramesStray++;
            return;
        }

        if (stream.IsDatagram || stream.EndReceived || !stream.Window.TryReceive(payload.Length))
        {
            FailStream(stream, now);
            return;
        }

        if (stream.Handler is { } handler)
            handler.OnData(stream, payload, now);
        else
            Consumed(stream, payload.Length, now);
    }

    /// <summary>Counts the current frame as received, before anyone is told about it.</summary>
    private void CompleteSequenced(long now)
    {
        _inFrame = false;
        _received++;
        _delivered = 0;
        _linkFaults = 0;
        _counters.FramesReceived++;
        _unacknowledgedBytes += FrameHeader.Size + _frame.Length;
        OweAcknowledgement(now);
    }

    private void Dispatch(ReadOnlySpan<byte> payload, long now)
    {
        if (!_frame.IsSequenced)
        {
            _inFrame = false;
            DispatchLinkFrame(payload, now);
            return;
        }

        FrameHeader frame = _frame;
        CompleteSequenced(now);
        if (frame.Type == FrameType.Open)
        {
            ReceiveOpen(frame, payload, now);
            return;
        }

        if (!_streams.TryGetValue(frame.StreamId, out MuxStream? stream))
        {
            _counters.FramesStray++;
            return;
        }

        switch (frame.Type)
        {
            case FrameType.Accept when stream.OpenedHere && !stream.IsAccepted:
                stream.IsAccepted = true;
                stream.SendLimit = Math.Max(stream.SendLimit, BinaryPrimitives.ReadUInt32BigEndian(payload));
                stream.Handler?.OnAccepted(stream, payload[FrameHeader.CreditSize..], now);
                Activate(stream, now);
                if (stream.AwaitsSpace)
                    OfferSpace(stream, now);
                break;
            case FrameType.Refuse when stream.OpenedHere && !stream.IsAccepted:
                Close(stream);
                stream.Handler?.OnRefused(stream, (RefuseCode)frame.Detail, WireText.Read(payload), now);
                break;
            case FrameType.Datagram when stream.IsDatagram && !stream.EndReceived && stream.Window.TryReceiveDatagram(payload.Length):
                stream.Handler?.OnDatagram(stream, payload, now);
                if (!stream.IsClosed)
                    Consumed(stream, payload.Length, now);
                break;
            case FrameType.End when !stream.EndReceived:
                stream.EndReceived = true;
                CloseIfEnded(stream);
                stream.Handler?.OnEnd(stream, now);
                break;
            case FrameType.Reset:
                Close(stream);
                stream.Handler?.OnReset(stream, (RefuseCode)frame.Detail, now);
                break;
            case FrameType.Credit:
                RaiseLimit(stream, BinaryPrimitives.ReadInt64BigEndian(payload), now);
                break;
            default:
                FailStream(stream, now);
                break;
        }
    }

    private void DispatchLinkFrame(ReadOnlySpan<byte> payload, long now)
    {
        switch (_frame.Type)
        {
            case FrameType.Ack:
                long upTo = _log.Expand(_frame.Sequence);
                if (upTo <= _cursor)
                    Acknowledged(upTo, now);
                else if (upTo - _log.First < int.MaxValue)
                    FailSession("an acknowledgement of what was not sent", now);
                break;
            case FrameType.Ping:
                _pongWanted = true;
                _pongToken = BinaryPrimitives.ReadUInt64BigEndian(payload);
                break;
            case FrameType.Pong:
                ReceivePong(BinaryPrimitives.ReadUInt64BigEndian(payload), now);
                break;
            case FrameType.Goodbye:
                EndSession(payload.IsEmpty ? "the other side ended the session" : WireText.Read(payload), tellPeer: false, now);
                break;
        }
    }

    private void ReceiveOpen(in FrameHeader frame, ReadOnlySpan<byte> payload, long now)
    {
        bool peersNumber = (frame.StreamId & 1) == (Role == SessionRole.Client ? 0u : 1u);
        if (!peersNumber || _streams.ContainsKey(frame.StreamId))
        {
            FailSession("a stream was opened with a number that was not free", now);
            return;
        }

        _counters.StreamsOpened++;
        if (_control.Count >= Options.MaxControlQueue)
        {
            FailSession("streams are opened without end and the answers are not read", now);
            return;
        }

        if (_streams.Count >= Options.MaxStreams || _pendingOpens >= Options.MaxPendingOpens)
        {
            _counters.StreamsOverLimit++;
            AddRefusal(frame.StreamId, RefuseCode.NoResources, "too many connections are open");
            return;
        }

        var window = new ReceiveWindow(Options.EarlyWindow, Options.EarlyWindow, now);
        var stream = new MuxStream(this, frame.StreamId, (StreamKind)frame.Detail, openedHere: false, window, _pool)
        {
            SendLimit = BinaryPrimitives.ReadUInt32BigEndian(payload),
        };
        _streams.Add(stream.Id, stream);
        _pendingOpens++;
        _handler.OnStreamOpened(stream, payload[FrameHeader.CreditSize..], now);
    }

    private void RaiseLimit(MuxStream stream, long limit, long now)
    {
        if (limit <= stream.SendLimit)
            return;
        stream.SendLimit = limit;
        Activate(stream, now);
        if (!stream.IsDatagram)
            OfferSpace(stream, now);
    }

    /// <summary>The peer broke the rules of one stream: that stream pays, nobody else.</summary>
    private void FailStream(MuxStream stream, long now)
    {
        _counters.ProtocolErrors++;
        ResetStream(stream, RefuseCode.ProtocolError, now);
        stream.Handler?.OnReset(stream, RefuseCode.ProtocolError, now);
    }
}
