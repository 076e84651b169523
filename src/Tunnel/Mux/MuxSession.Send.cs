using System.Buffers.Binary;
using Telepresence.Tunnel.Buffers;

namespace Telepresence.Tunnel.Mux;

// What goes to the link, in the order in which Gather names it.
public sealed partial class MuxSession
{
    private const int MaxPieces = 64;
    private const int HeaderSlot = 32;
    private const int LinkOutSize = 2048;

    // A frame is not split into less than this just because the caller's limit is near.
    private const int SmallestSplit = 1024;

    private readonly byte[] _headers = GC.AllocateUninitializedArray<byte>(MaxPieces * HeaderSlot, pinned: true);
    private readonly byte[] _linkOut = GC.AllocateUninitializedArray<byte>(LinkOutSize, pinned: true);
    private readonly Piece[] _plan = new Piece[MaxPieces];
    private int _planned;
    private int _linkOutHead;
    private int _linkOutTail;

    // The frame that the link takes next, and how much of it (header included) it has taken.
    private long _cursor;
    private int _partial;

    // Bytes of data frames since one asked for an acknowledgement.
    private int _bytesNotAsked;

    private bool _signalled;
    private bool _pingWanted;
    private bool _pongWanted;
    private ulong _pongToken;

    /// <summary>Whether <see cref="Gather"/> has something for the link. (It may still come out empty, after which this is false.)</summary>
    public bool HasOutput
    {
        get
        {
            if (!_linkUp)
                return false;
            if (_linkOutTail > _linkOutHead || _partial > 0)
                return true;
            if (!_ready || State == SessionState.Ended)
                return false;
            return _ackNow || _pingWanted || _pongWanted || _cursor < _log.Next
                || (!_log.IsFull && (_control.Count > 0 || _creditFirst is not null || HasData));
        }
    }

    /// <summary>Whether a data frame may get its number.</summary>
    private bool HasData => !_scheduler.IsEmpty && (!_linkWindow.IsFull || (_scheduler.HasFresh && _linkWindow.HasReserve));

    /// <summary>Names what the link should take next. Nothing counts as sent before <see cref="Sent"/> says so.</summary>
    /// <param name="vectors">Filled from the front; at least 4 long. The memory stays valid until the next call of any method of the session.</param>
    /// <param name="maxBytes">Most bytes to name, at least 4,096. What exceeds the link's appetite is work done twice.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    /// <returns>How many vectors were filled.</returns>
    public int Gather(Span<IoVector> vectors, int maxBytes, long now)
    {
        _signalled = false;
        TakeBackUnbegun();
        _planned = 0;
        if (!_linkUp)
            return 0;
        int used = 0;
        long sequence = _cursor;
        bool whole = true;
        if (_partial > 0)
            whole = PlanFrame(sequence++, _partial, vectors, ref used, ref maxBytes);
        if (!whole)
            return used;
        if (_ready && State != SessionState.Ended)
            WriteLinkFrames(now);
        PlanLinkBytes(vectors, ref used, ref maxBytes);
        if (!_ready || State == SessionState.Ended)
            return used;
        while (whole && _planned < MaxPieces && used + 1 < vectors.Length && maxBytes > 0)
        {
            if (sequence == _log.Next && !NumberNextFrame(maxBytes))
                break;
            whole = PlanFrame(sequence++, 0, vectors, ref used, ref maxBytes);
        }

        return used;
    }

    /// <summary>Says that the link took the first <paramref name="bytes"/> of what <see cref="Gather"/> named, maybe all, maybe 0.
    /// Without effect when the link has gone in between.</summary>
    public void Sent(int bytes, long now)
    {
        if (!_linkUp)
            return;
        _counters.BytesSent += bytes;
        for (int i = 0; i < _planned && bytes > 0; i++)
        {
            int taken = Math.Min(bytes, _plan[i].Bytes);
            bytes -= taken;
            if (_plan[i].IsLink)
                _linkOutHead += taken;
            else
                FrameTaken(taken, now);
        }

        if (bytes > 0)
            throw new ArgumentOutOfRangeException(nameof(bytes), "More than Gather named.");
        _planned = 0;
        if (_linkOutHead == _linkOutTail)
            _linkOutHead = _linkOutTail = 0;
        TakeBackUnbegun();
    }

    private void FrameTaken(int bytes, long now)
    {
        ref FrameRecord record = ref _log[_cursor];
        if (_partial == 0)
        {
            if (_cursor >= _log.Begun)
            {
                _log.Begun = _cursor + 1;
                _counters.FramesSent++;
                if (record.Stream is { } stream)
                {
                    _linkWindow.Begun(_cursor, now);
                    BeginsOnLink(stream, record.Type);
                }
            }
            else
            {
                _counters.FramesReplayed++;
            }
        }

        _partial += bytes;
        if (_partial == FrameHeader.Size + record.Length)
        {
            _partial = 0;
            _cursor++;
        }
    }

    private void BeginsOnLink(MuxStream stream, FrameType type)
    {
        stream.IsFresh = false;
        if (type != FrameType.End)
            return;
        stream.EndBegun = true;
        CloseIfEnded(stream);
    }

    /// <summary>Gives data frames of which no link has had a byte back to the scheduler.</summary>
    private void TakeBackUnbegun()
    {
        while (_log.Next > _log.Begun)
        {
            FrameRecord record = _log[_log.Next - 1];
            if (record.Stream is not { } stream)
                return;
            _log.RemoveNewest();
            _linkWindow.Add(-FrameHeader.Size - record.Length);
            if (record.Detail == FrameHeader.AcknowledgeNow)
                _bytesNotAsked = _linkWindow.Size / 4;
            else if (record.Length > 0)
                _bytesNotAsked = Math.Max(0, _bytesNotAsked - FrameHeader.Size - record.Length);
            stream.FramesKept--;
            if (stream.IsClosed)
            {
                if (stream.FramesKept == 0)
                    Release(stream, stream.Queue.Tail);
                continue;
            }

            if (record.Type == FrameType.End)
                stream.EndSent = false;
            else
                stream.SentOffset = record.Offset - stream.FramePrefix;
            if (record.Type == FrameType.Datagram)
                stream.DatagramBytesSent -= record.Length;
            _scheduler.Return(stream, FrameHeader.Size + record.Length);
        }
    }

    private void PlanLinkBytes(Span<IoVector> vectors, ref int used, ref int maxBytes)
    {
        int count = Math.Min(_linkOutTail - _linkOutHead, maxBytes);
        if (count == 0 || used == vectors.Length)
            return;
        vectors[used++] = new IoVector(_linkOut.AsSpan(_linkOutHead, count));
        _plan[_planned++] = new Piece(isLink: true, count);
        maxBytes -= count;
    }

    /// <returns>Whether the whole rest of the frame is in the plan, so that another may follow.</returns>
    private bool PlanFrame(long sequence, int skip, Span<IoVector> vectors, ref int used, ref int maxBytes)
    {
        ref FrameRecord record = ref _log[sequence];
        Span<byte> header = _headers.AsSpan(_planned * HeaderSlot, HeaderSlot);
        new FrameHeader(record.Type, record.Detail, record.Length, (uint)sequence, record.StreamId).Write(header);
        int headerLength = FrameHeader.Size;
        if (record.Type == FrameType.Credit)
        {
            BinaryPrimitives.WriteInt64BigEndian(header[FrameHeader.Size..], record.Offset);
            headerLength += sizeof(long);
        }

        int left = FrameHeader.Size + record.Length - skip;
        int planned = 0;
        if (skip < headerLength)
        {
            planned = Math.Min(headerLength - skip, maxBytes);
            vectors[used++] = new IoVector(header.Slice(skip, planned));
        }

        int wanted = Math.Min(left, maxBytes) - planned;
        if (wanted > 0)
        {
            ByteQueue queue = record.Stream?.Queue ?? _control.Bytes;
            int filled = queue.Gather(record.Offset + skip + planned - headerLength, wanted, vectors[used..]);
            foreach (IoVector vector in vectors.Slice(used, filled))
                planned += (int)vector.Length;
            used += filled;
        }

        _plan[_planned++] = new Piece(isLink: false, planned);
        maxBytes -= planned;
        return planned == left;
    }

    /// <summary>Gives the next frame its number: control, then credit, then data.</summary>
    /// <param name="room">How many bytes the caller still wants; a data frame is cut to fit.</param>
    private bool NumberNextFrame(int room)
    {
        if (_log.IsFull)
            return false;
        if (_control.Count > 0)
        {
            _log.Append() = _control.Take();
            return true;
        }

        while (TakeCredit() is { } owing)
        {
            if (owing.IsClosed || owing.EndReceived)
                continue;
            _log.Append() = new FrameRecord { Type = FrameType.Credit, StreamId = owing.Id, Offset = owing.Window.Limit, Length = sizeof(long) };
            return true;
        }

        return NumberDataFrame(room - FrameHeader.Size);
    }

    private bool NumberDataFrame(int room)
    {
        if (!HasData || _scheduler.Next() is not { } stream || (_linkWindow.IsFull && !_scheduler.StandsAsFresh(stream)))
        {
            if (_linkWindow.IsFull)
                _linkWindow.Limited(_scheduler.Count);
            return false;
        }

        var record = new FrameRecord { Stream = stream, StreamId = stream.Id, Offset = stream.SentOffset + stream.FramePrefix };
        long unsent = stream.Queue.Tail - stream.SentOffset;
        if (unsent == 0)
        {
            record.Type = FrameType.End;
            stream.EndSent = true;
        }
        else if (stream.IsDatagram)
        {
            int length = stream.NextDatagramLength();
            record.Type = FrameType.Datagram;
            record.Length = (ushort)length;
            stream.SentOffset += stream.FramePrefix + length;
            stream.DatagramBytesSent += length;
        }
        else
        {
            int wanted = (int)Math.Min(unsent, _scheduler.Count > 1 ? Options.SharedFrame : Options.MaxFrame);
            if (room < wanted && room < SmallestSplit)
                return false;
            record.Type = FrameType.Data;
            record.Length = (ushort)Math.Min(wanted, room);
            stream.SentOffset += record.Length;
        }

        if (record.Length > 0 && AsksForAcknowledgement(FrameHeader.Size + record.Length))
            record.Detail = FrameHeader.AcknowledgeNow;
        StreamScheduler.Charge(stream, FrameHeader.Size + record.Length);
        _linkWindow.Add(FrameHeader.Size + record.Length);
        stream.FramesKept++;
        _log.Append() = record;
        return true;
    }

    /// <summary>Each quarter of the link's window asks: more often would be work at every program along the link, more seldom would
    /// leave the window full when the peer has long had everything.</summary>
    private bool AsksForAcknowledgement(int bytes)
    {
        _bytesNotAsked += bytes;
        if (_bytesNotAsked < _linkWindow.Size / 4)
            return false;
        _bytesNotAsked = 0;
        return true;
    }

    /// <summary>Writes the link frames that are due behind those still waiting.</summary>
    private void WriteLinkFrames(long now)
    {
        // Room for a goodbye must always be left.
        const int MostAtOnce = 3 * FrameHeader.Size + 2 * FrameHeader.PingSize;
        const int Kept = FrameHeader.Size + FrameHeader.MaxReason;
        if (_linkOutHead > 0)
        {
            _linkOut.AsSpan(_linkOutHead, _linkOutTail - _linkOutHead).CopyTo(_linkOut);
            _linkOutTail -= _linkOutHead;
            _linkOutHead = 0;
        }

        if (_linkOut.Length - _linkOutTail < MostAtOnce + Kept)
            return;
        if (_unacknowledgedFrames > 0)
        {
            WriteLinkFrame(FrameType.Ack, (uint)_received, default);
            AcknowledgementWritten();
        }

        if (_pingWanted)
        {
            _pingWanted = false;
            _pingToken = now;
            _counters.Pings++;
            WriteToken(FrameType.Ping, (ulong)now);
        }

        if (_pongWanted)
        {
            _pongWanted = false;
            WriteToken(FrameType.Pong, _pongToken);
        }
    }

    private void WriteToken(FrameType type, ulong token)
    {
        Span<byte> payload = stackalloc byte[FrameHeader.PingSize];
        BinaryPrimitives.WriteUInt64BigEndian(payload, token);
        WriteLinkFrame(type, 0, payload);
    }

    private void WriteLinkFrame(FrameType type, uint sequence, ReadOnlySpan<byte> payload)
    {
        new FrameHeader(type, 0, payload.Length, sequence, 0).Write(_linkOut.AsSpan(_linkOutTail));
        payload.CopyTo(_linkOut.AsSpan(_linkOutTail + FrameHeader.Size));
        _linkOutTail += FrameHeader.Size + payload.Length;
    }

    /// <summary>Tells the owner that there is output, unless it knows or will look anyway.</summary>
    private void Wake()
    {
        if (_receiving || _signalled || !HasOutput)
            return;
        _signalled = true;
        _handler.OnOutput();
    }

    private readonly struct Piece(bool isLink, int bytes)
    {
        internal readonly bool IsLink = isLink;
        internal readonly int Bytes = bytes;
    }
}
