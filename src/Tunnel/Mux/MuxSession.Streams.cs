using System.Buffers.Binary;

namespace Telepresence.Tunnel.Mux;

// What streams ask of their session, and how a stream ends.
public sealed partial class MuxSession
{
    // Promises that rest are no memory until they are used; a peer that uses all of them at once must not find more than so many times the memory.
    private const int MostPromisedToResting = 3;

    private long _promisedToResting;
    private MuxStream? _creditFirst;
    private MuxStream? _creditLast;

    internal void AcceptStream(MuxStream stream, ReadOnlySpan<byte> info, long now)
    {
        stream.IsAccepted = true;
        _pendingOpens--;
        Resize(stream, FirstWindow());
        stream.Window.Update(now);
        Span<byte> credit = stackalloc byte[FrameHeader.CreditSize];
        BinaryPrimitives.WriteUInt32BigEndian(credit, (uint)stream.Window.Limit);
        _control.Add(FrameType.Accept, 0, stream.Id, credit, info);
        Wake();
    }

    internal void RefuseStream(MuxStream stream, RefuseCode code, string reason, long now)
    {
        Close(stream);
        AddRefusal(stream.Id, code, reason);
        Wake();
    }

    internal void ResetStream(MuxStream stream, RefuseCode code, long now)
    {
        Close(stream);
        _control.Add(FrameType.Reset, (byte)code, stream.Id);
        Wake();
    }

    internal void Activate(MuxStream stream, long now)
    {
        if (!stream.CanSendFrame)
            return;
        _scheduler.Activate(stream);
        Wake();
    }

    internal void Queued(int bytes) => _queuedBytes += bytes;

    internal void NoteMemoryShort() => _memoryWasShort = true;

    internal void CountDroppedDatagram() => _counters.DatagramsDropped++;

    internal void Consumed(MuxStream stream, int bytes, long now)
    {
        if (!stream.Window.Consume(bytes) || stream.EndReceived)
            return;

        // Only once the old limit is near is credit due again.
        if (stream.Window.Resting > 0)
            ForgetPromise(stream);
        if (stream.Window.WantsGrowth(_linkWindow.WantedRoundTrip, Options.MaxWindow, now))
            GrowWindow(stream, now);
        stream.Window.Update(now);
        if (!stream.CreditQueued)
        {
            stream.CreditQueued = true;
            if (_creditLast is null)
                _creditFirst = stream;
            else
                _creditLast.NextCredit = stream;
            _creditLast = stream;
        }

        Wake();
    }

    private MuxStream? TakeCredit()
    {
        MuxStream? stream = _creditFirst;
        if (stream is null)
            return null;
        _creditFirst = stream.NextCredit;
        if (_creditFirst is null)
            _creditLast = null;
        stream.NextCredit = null;
        stream.CreditQueued = false;
        return stream;
    }

    /// <summary>What a window takes of the memory that streams share.</summary>
    private long Reserved(int window) => Math.Max(0, window - Options.EarlyWindow);

    /// <summary>The window of a stream that has not shown yet what it needs. The second half of the memory is for those that have.</summary>
    private int FirstWindow() =>
        _windowsReserved + Reserved(Options.InitialWindow) <= Options.MaxReceiveMemory / 2 ? Options.InitialWindow : Options.EarlyWindow;

    /// <summary>Doubles a window if the memory allows it, if need be at the cost of streams that rest.</summary>
    private void GrowWindow(MuxStream stream, long now)
    {
        int wanted = Math.Min(stream.Window.Size * 2, Options.MaxWindow);
        if (!Fits(stream, wanted))
            TakeWindowsOfResting(now);
        if (Fits(stream, wanted))
            Resize(stream, wanted);
    }

    private bool Fits(MuxStream stream, int window) =>
        _windowsReserved - Reserved(stream.Window.Size) + Reserved(window) <= Options.MaxReceiveMemory;

    /// <summary>Looks at all streams, so not more often than one of them can come to rest.</summary>
    private void TakeWindowsOfResting(long now)
    {
        if (now - _restedAt < Options.WindowRest)
            return;
        _restedAt = now;
        foreach (MuxStream stream in _streams.Values)
        {
            long promised = Reserved(stream.Window.Size);
            if (promised == 0 || !stream.Window.HasRested(Options.WindowRest, now) || _promisedToResting + promised > MostPromisedToResting * Options.MaxReceiveMemory)
                continue;
            Resize(stream, Options.EarlyWindow);
            stream.Window.Resting += promised;
            _promisedToResting += promised;
        }
    }

    /// <summary>What a stream was promised before it rested has been used up, or it is gone.</summary>
    private void ForgetPromise(MuxStream stream)
    {
        _promisedToResting -= stream.Window.Resting;
        stream.Window.Resting = 0;
    }

    private void Resize(MuxStream stream, int window)
    {
        _windowsReserved += Reserved(window) - Reserved(stream.Window.Size);
        stream.Window.Resize(window);
    }

    private uint TakeStreamId()
    {
        // Numbers come round after two thousand million streams; those still in use are passed over.
        while (_nextStreamId <= 1 && Role == SessionRole.Server || _streams.ContainsKey(_nextStreamId))
            _nextStreamId += 2;
        uint id = _nextStreamId;
        _nextStreamId += 2;
        return id;
    }

    private void AddRefusal(uint streamId, RefuseCode code, string reason)
    {
        Span<byte> text = stackalloc byte[FrameHeader.MaxReason];
        _control.Add(FrameType.Refuse, (byte)code, streamId, payload: text[..WireText.Write(reason, text)]);
    }

    /// <summary>Both directions are over. What is in the sent log stays until it is acknowledged; what is unsent never goes out.</summary>
    private void Close(MuxStream stream)
    {
        stream.IsClosed = true;
        stream.SentOffset = stream.Queue.Tail;
        _streams.Remove(stream.Id);
        _windowsReserved -= Reserved(stream.Window.Size);
        ForgetPromise(stream);
        if (!stream.OpenedHere && !stream.IsAccepted)
            _pendingOpens--;
        if (stream.FramesKept == 0)
            Release(stream, stream.Queue.Tail);
    }

    /// <summary>Closes a stream whose two directions have ended by themselves.</summary>
    private void CloseIfEnded(MuxStream stream)
    {
        if (!stream.IsClosed && stream.EndReceived && stream.EndBegun)
            Close(stream);
    }

    private void Release(MuxStream stream, long upTo)
    {
        if (upTo <= stream.Queue.Head)
            return;
        _queuedBytes -= upTo - stream.Queue.Head;
        stream.Queue.Release(upTo);
    }

    /// <summary>The peer will never ask again for frames before <paramref name="upTo"/>.</summary>
    private void Acknowledged(long upTo, long now)
    {
        if (_linkWindow.IsFull)
            _linkWindow.Limited(_scheduler.Count);
        _linkWindow.Acknowledged(upTo, now);
        while (_log.First < upTo)
        {
            FrameRecord record = _log[_log.First];
            _log.RemoveOldest();
            if (record.Stream is { } stream)
            {
                _linkWindow.Add(-FrameHeader.Size - record.Length);
                stream.FramesKept--;
                if (stream.IsClosed)
                {
                    if (stream.FramesKept == 0)
                        Release(stream, stream.Queue.Tail);
                }
                else if (record.Type != FrameType.End)
                {
                    Release(stream, record.Offset + record.Length);
                    if (stream.AwaitsSpace)
                        OfferSpace(stream, now);
                }
            }
            else if (record.Type != FrameType.Credit)
            {
                _control.Bytes.Release(record.Offset + record.Length);
            }
        }

        if (!_memoryWasShort || SendMemory < Options.MaxSendMemory / 8)
            return;
        _memoryWasShort = false;
        foreach (MuxStream waiting in _streams.Values.ToArray())
        {
            if (waiting.AwaitsSpace)
                OfferSpace(waiting, now);
        }
    }

    private static void OfferSpace(MuxStream stream, long now)
    {
        if (stream.SendSpace == 0)
            return;
        stream.AwaitsSpace = false;
        stream.Handler?.OnSendSpace(stream, now);
    }
}
