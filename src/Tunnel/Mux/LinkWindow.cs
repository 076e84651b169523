namespace Telepresence.Tunnel.Mux;

/// <summary>
/// How many bytes of data frames may be on their way at once. It keeps the queues along the link short, whose length a keystroke would
/// have to wait for, without leaving the link idle.
/// </summary>
/// <remarks>
/// <para>What carries a link (sockets, kubectl, an API server) takes megabytes without asking, and whatever stands in there can no longer
/// be overtaken. So the sender compares the time until a frame is acknowledged with the shortest such time: the difference is
/// queue. While it holds the sender back, the window doubles as long as there is hardly any, and otherwise goes to where the queue would be
/// as long as it should be (the rule of FAST TCP, one step: size × (shortest + wanted queue) / time, no more than twofold).</para>
/// <para>A process that did not get its turn looks like a queue. So it is the best of several rounds that shrinks the window, and never below
/// a floor. This is no congestion control: below is TCP, which has its own.</para>
/// <para>A queue that never empties would in time be taken for the way itself. So twice a minute in which the sender was held back, the window
/// nearly closes for one round (as BBR's ProbeRTT does), and the shortest time is seen anew; for the first time two seconds after a link has begun,
/// which may have been with bulk.</para>
/// </remarks>
internal struct LinkWindow
{
    private const int RoundsBeforeShrinking = 4;
    private const int MostCounted = 16;
    private const int DrainedPart = 4;
    private const long HistoryPart = 30_000_000, FirstHistoryPart = 2_000_000;

    private readonly MuxSessionOptions _options;

    // The frame whose acknowledgement ends the round, and when it left; -1: none.
    private long _timed = -1;
    private long _timedAt;
    private int _waiting;
    private int _rounds;
    private long _best = long.MaxValue;

    // The shortest round trip of this part of the history and of the one before: a way that has become longer is forgotten after two.
    private long _shortest = long.MaxValue;
    private long _shortestBefore = long.MaxValue;
    private long _historyUntil = long.MinValue;
    private bool _wasLimited;
    private Phase _phase;
    private int _drainedFrom;
    private bool _direct;

    internal LinkWindow(MuxSessionOptions options)
    {
        _options = options;
        Size = options.LinkWindow;
    }

    private enum Phase
    {
        /// <summary>Each round may change the window.</summary>
        Steady,

        /// <summary>The end of this round drains it.</summary>
        DrainDue,

        /// <summary>This round shows the way without a queue; its end gives the window back.</summary>
        Drained,

        /// <summary>The first frame of a window that was opened at a stroke has nothing in front of it and tells nothing.</summary>
        Filling,
    }

    /// <summary>Bytes that may be on their way.</summary>
    internal int Size { get; private set; }

    /// <summary>Bytes, headers included, of data frames that are planned or on their way.</summary>
    internal long InFlight { get; private set; }

    /// <summary>How long a frame's round trip is when the queue is as long as it should be, in microseconds; 0 while nothing is known.</summary>
    internal readonly long WantedRoundTrip => Shortest == long.MaxValue ? 0 : Shortest + WantedQueue;

    /// <summary>Whether bulk must wait.</summary>
    internal readonly bool IsFull => InFlight >= Size;

    /// <summary>Whether a stream that was quiet may send its little nevertheless.</summary>
    internal readonly bool HasReserve => InFlight < Size + Size / 4;

    private readonly long Shortest => Math.Min(_shortest, _shortestBefore);

    private readonly long WantedQueue => Math.Max(_direct ? _options.DirectLinkQueue : _options.RelayedLinkQueue, Shortest / 4);

    /// <summary>A new link: nothing is known about it but whether it is direct. What is on its way stays so.</summary>
    internal void Restart(bool direct)
    {
        _direct = direct;
        Size = _options.LinkWindow;
        _timed = -1;
        _shortest = _shortestBefore = long.MaxValue;
        _wasLimited = false;
        _phase = Phase.Steady;
        _historyUntil = long.MinValue;
        BeginRounds();
    }

    /// <summary>A data frame was planned (positive), or taken back or acknowledged (negative).</summary>
    internal void Add(int bytes) => InFlight += bytes;

    /// <summary>The link has had the first byte of a data frame.</summary>
    internal void Begun(long sequence, long now)
    {
        if (_timed >= 0)
            return;
        _timed = sequence;
        _timedAt = now;
        _waiting = 0;
    }

    /// <summary>Frames of so many streams must wait because of the window.</summary>
    internal void Limited(int streams) => _waiting = Math.Max(_waiting, streams);

    /// <summary>All frames before <paramref name="sequence"/> have been acknowledged.</summary>
    internal void Acknowledged(long sequence, long now)
    {
        if (_timed < 0 || sequence <= _timed)
            return;
        _timed = -1;
        long time = Math.Max(1, now - _timedAt);
        Seen(time, now);
        if (_waiting > 0)
            EndRound(time);
    }

    /// <summary>A round trip of <paramref name="time"/> microseconds was measured, by a frame or a ping.</summary>
    internal void Seen(long time, long now)
    {
        if (now >= _historyUntil)
        {
            _historyUntil = now + (_shortest == long.MaxValue ? FirstHistoryPart : HistoryPart);
            _shortestBefore = _shortest;
            _shortest = long.MaxValue;

            // A window that has been drained for so long without bulk is not given back any more.
            _phase = _wasLimited && _phase == Phase.Steady ? Phase.DrainDue : Phase.Steady;
            _wasLimited = false;
        }

        _shortest = Math.Min(_shortest, time);
    }

    private void EndRound(long time)
    {
        _wasLimited = true;
        switch (_phase)
        {
            case Phase.DrainDue:
                // Below the floor, which at full speed is a queue already.
                _phase = Phase.Drained;
                _drainedFrom = Size;
                Size = _options.MinLinkWindow / DrainedPart;
                BeginRounds();
                return;
            case Phase.Drained:
                _phase = Phase.Filling;
                Resize(_drainedFrom);
                return;
            case Phase.Filling:
                _phase = Phase.Steady;
                return;
        }

        long shortest = Shortest, queue = WantedQueue;
        _best = Math.Min(_best, time);
        if (time < shortest + (queue / 4))
            Resize(Size * 2L);
        else if (time < shortest + (queue / 2) || ++_rounds >= RoundsBeforeShrinking)
            Resize((long)(Size * Math.Clamp((double)(shortest + queue) / _best, 0.5, 2)));
    }

    private void Resize(long size)
    {
        long floor = Math.Min((long)_options.MinLinkWindow * Math.Min(_waiting, MostCounted), _options.MaxLinkWindow);
        Size = (int)Math.Clamp(size, floor, _options.MaxLinkWindow);
        BeginRounds();
    }

    private void BeginRounds()
    {
        _rounds = 0;
        _best = long.MaxValue;
    }
}
