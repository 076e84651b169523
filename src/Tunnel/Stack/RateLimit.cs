namespace Telepresence.Tunnel.Stack;

/// <summary>A token bucket: a burst, then so many per second.</summary>
internal struct RateLimit(int burst, int perSecond)
{
    private long _tokens = burst;
    private long _refilled;

    public bool TryTake(long now)
    {
        long earned = (now - _refilled) * perSecond / 1_000_000;
        if (earned > 0)
        {
            _tokens = Math.Min(burst, _tokens + earned);
            _refilled = now;
        }
        if (_tokens == 0)
            return false;
        _tokens--;
        return true;
    }
}
