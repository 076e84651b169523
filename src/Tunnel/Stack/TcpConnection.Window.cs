namespace Telepresence.Tunnel.Stack;

// The window that the peer is shown. Its right edge is what the bridge said it can take, capped three times: by a target that grows
// while the peer uses it up, by the budget that all connections share (the TUN queue drops when full), and by what the field can say.
// An edge once advertised never moves back (RFC 9293 §3.8.6), and it moves in steps worth a segment (§3.8.6.2.2).
public sealed partial class TcpConnection
{
    /// <summary>Pause, µs, after which a connection counts as resting.</summary>
    internal const long Rest = 10 * GrowthPeriod;

    private const long GrowthPeriod = 100_000; // µs

    private int _receiveSpace; // what the bridge can take beyond _receiveNext
    private int _receiveSpaceSeen; // the most it ever said: the size of its buffer
    private int _windowTarget;
    private int _receivedSinceGrowth;
    private long _growthSince;
    private long _counted; // of the promise, what is in the common budget

    /// <summary>
    /// Says how many more bytes the bridge can take from now on. This, capped, is the window that the local program sees. What was
    /// promised before may still arrive after a smaller number.
    /// </summary>
    /// <param name="bytes">Zero closes the window; the local program then waits and its writes block.</param>
    public void SetReceiveSpace(int bytes)
    {
        _receiveSpace = Math.Max(0, bytes);
        _receiveSpaceSeen = Math.Max(_receiveSpaceSeen, _receiveSpace);
        if (_phase == Phase.Open && IsWindowUpdateDue())
            _stack.Touch(this);
    }

    /// <summary>Doubles the target while its half is used up within a moment; falls back after a pause, so that idle connections hoard no budget.</summary>
    private void GrowWindow(int received, long now)
    {
        if (now - _growthSince > GrowthPeriod)
        {
            if (now - _growthSince > Rest)
                _windowTarget = _stack.Options.InitialReceiveWindow;
            _growthSince = now;
            _receivedSinceGrowth = 0;
        }
        _receivedSinceGrowth += received;
        if (_receivedSinceGrowth < _windowTarget / 2)
            return;
        _growthSince = now;
        _receivedSinceGrowth = 0;
        _windowTarget = Math.Min(_windowTarget * 2, _stack.Options.MaxReceiveWindow);
    }

    /// <summary>Brings the common budget up to date with what this connection has been promised.</summary>
    private void CountPromise() => SetCounted(_stack.Budget.Counted(_receiveEdge - _receiveNext));

    private void SetCounted(long counted)
    {
        if (counted == _counted)
            return;
        _stack.Budget.Add(counted - _counted);
        _counted = counted;
    }

    /// <summary>Gives what was promised and not used back to the common budget.</summary>
    private void ReleasePromise()
    {
        _receiveEdge = _receiveNext;
        SetCounted(0);
    }

    /// <summary>Others need the budget. An advertised edge cannot be taken back (RFC 9293 §3.8.6), so a connection that has rested may use its old
    /// one once; from its next byte on it counts again.</summary>
    internal void ReleasePromiseOfResting(long now)
    {
        if (now - _growthSince > Rest)
            SetCounted(0);
    }

    /// <summary>How far the right edge may go now.</summary>
    private long PermittedEdge()
    {
        long wanted = Math.Min(Math.Max(0, _receiveSpace), _windowTarget);
        wanted = Math.Min(wanted, (long)ushort.MaxValue << _receiveShift);
        long allowed = _stack.Budget.Allow(_counted, wanted);
        if (allowed < wanted && _stack.ReleasePromisesOfResting())
            allowed = _stack.Budget.Allow(_counted, wanted);
        return Math.Max(_receiveEdge, _receiveNext + (allowed >> _receiveShift << _receiveShift));
    }

    /// <summary>
    /// The smallest step of the right edge. A quarter of what the bridge can hold, not half, so that a bridge that itself gives
    /// room back in halves can never wait for us while we wait for it.
    /// </summary>
    private int WindowStep => Math.Max(1, Math.Min(_mss, Math.Min(_windowTarget, _receiveSpaceSeen) / 4));

    private bool IsWindowUpdateDue()
    {
        if (_finReceived)
            return false;
        long open = _receiveEdge - _receiveNext;
        return open < _windowTarget / 2 && PermittedEdge() - _receiveEdge >= WindowStep;
    }

    /// <summary>The window field of the segment about to leave; advances the promise.</summary>
    private ushort AdvertiseWindow(byte shift)
    {
        if (!_finReceived)
        {
            long edge = PermittedEdge();
            if (shift == 0)
                edge = Math.Min(edge, _receiveNext + ushort.MaxValue);
            if (edge - _receiveEdge >= WindowStep)
            {
                _receiveEdge = edge;
                CountPromise();
            }
        }
        return (ushort)Math.Clamp((_receiveEdge - _receiveNext) >> shift, 0, ushort.MaxValue);
    }
}
