namespace Telepresence.Tunnel.Mux;

/// <summary>
/// Whose frame goes next: deficit round robin with a head start for streams that were quiet (the two lists of RFC 8290, "FQ-CoDel",
/// section 4.2, without CoDel).
/// </summary>
/// <remarks>
/// A stream that has a little to send after a pause stands in the fresh list and is served before the bulk of the others, for one
/// quantum; after that, or when there is more than a little, it stands behind everyone else in the regular list. When it empties
/// before, it rests there, and may come back as fresh with what is left of its quantum until the round has reached it. So a keystroke
/// waits for one frame, and a flood of short messages cannot starve a long stream: nobody gets more than two quanta per round.
/// </remarks>
internal sealed class StreamScheduler(int quantum)
{
    // What still counts as a little: a keystroke, a request, a DNS message.
    private const int Little = 4096;

    private readonly StreamList _fresh = new();
    private readonly StreamList _regular = new();

    /// <summary>Streams in either list.</summary>
    internal int Count => _fresh.Count + _regular.Count;

    internal bool IsEmpty => _fresh.Count == 0 && _regular.Count == 0;

    /// <summary>Whether a stream waits that was quiet.</summary>
    internal bool HasFresh => _fresh.Count > 0;

    /// <summary>Whether <paramref name="stream"/> is one of them.</summary>
    internal bool StandsAsFresh(MuxStream stream) => stream.Queued == _fresh;

    /// <summary>Puts a stream that has something to send into the lists, unless it stands there already.</summary>
    internal void Activate(MuxStream stream)
    {
        if (stream.Queued is null)
            stream.Deficit = quantum;
        else if (stream.IsResting && stream.Deficit > 0)
            stream.Queued.Remove(stream);
        else
            return;
        stream.IsResting = false;
        stream.IsFresh = true;
        _fresh.PushBack(stream);
    }

    /// <summary>Puts a stream back in front whose newest frame of <paramref name="bytes"/> was taken back.</summary>
    /// <remarks>Called from the newest frame to the oldest, this restores the order in which they were chosen. The rounds that were
    /// planned meanwhile have granted quanta that did not come to pass; hence nobody returns with more than one.</remarks>
    internal void Return(MuxStream stream, int bytes)
    {
        stream.Queued?.Remove(stream);
        stream.IsResting = false;
        stream.Deficit = Math.Min(stream.Deficit + bytes, quantum);
        (stream.IsFresh ? _fresh : _regular).PushFront(stream);
    }

    /// <summary>The stream that may send one frame now, or null. The caller reports the frame with <see cref="Charge"/>.</summary>
    internal MuxStream? Next()
    {
        while (true)
        {
            StreamList list = _fresh.Count > 0 ? _fresh : _regular;
            if (list.First is not { } stream)
                return null;
            bool sends = stream.CanSendFrame;
            if (sends && stream.Deficit > 0 && (list == _regular || stream.Queue.Tail - stream.SentOffset <= Little))
                return stream;
            list.Remove(stream);
            stream.IsResting = false;
            if (sends)
            {
                if (stream.Deficit <= 0)
                    stream.Deficit += quantum;
                stream.IsFresh = false;
                _regular.PushBack(stream);
            }
            else if (list == _fresh && _regular.Count > 0)
            {
                stream.IsResting = true;
                _regular.PushBack(stream);
            }
        }
    }

    /// <summary>Notes that <paramref name="stream"/> was given a frame of <paramref name="bytes"/>.</summary>
    internal static void Charge(MuxStream stream, int bytes) => stream.Deficit -= bytes;

    internal void Clear()
    {
        while (_fresh.First is { } stream)
            _fresh.Remove(stream);
        while (_regular.First is { } stream)
            _regular.Remove(stream);
    }
}

/// <summary>A list of streams, linked through the streams themselves; a stream stands in one list at most.</summary>
internal sealed class StreamList
{
    private MuxStream? _last;

    internal MuxStream? First { get; private set; }

    internal int Count { get; private set; }

    internal void PushBack(MuxStream stream)
    {
        stream.Queued = this;
        stream.PreviousQueued = _last;
        if (_last is null)
            First = stream;
        else
            _last.NextQueued = stream;
        _last = stream;
        Count++;
    }

    internal void PushFront(MuxStream stream)
    {
        stream.Queued = this;
        stream.NextQueued = First;
        if (First is null)
            _last = stream;
        else
            First.PreviousQueued = stream;
        First = stream;
        Count++;
    }

    internal void Remove(MuxStream stream)
    {
        if (stream.PreviousQueued is null)
            First = stream.NextQueued;
        else
            stream.PreviousQueued.NextQueued = stream.NextQueued;
        if (stream.NextQueued is null)
            _last = stream.PreviousQueued;
        else
            stream.NextQueued.PreviousQueued = stream.PreviousQueued;
        stream.NextQueued = stream.PreviousQueued = null;
        stream.Queued = null;
        Count--;
    }
}
