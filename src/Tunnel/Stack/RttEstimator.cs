namespace Telepresence.Tunnel.Stack;

/// <summary>Round-trip estimation and the retransmission time-out it gives (RFC 6298 §2). Microseconds.</summary>
internal struct RttEstimator
{
    private long _smoothed;
    private long _variation;

    /// <summary>Takes a measured round trip. The caller never measures a retransmitted segment (Karn's algorithm).</summary>
    public void Sample(long rtt)
    {
        if (_smoothed == 0)
        {
            _smoothed = Math.Max(rtt, 1);
            _variation = rtt / 2;
            return;
        }
        _variation += (Math.Abs(_smoothed - rtt) - _variation) / 4;
        _smoothed = Math.Max(1, _smoothed + (rtt - _smoothed) / 8);
    }

    /// <summary>SRTT + 4·RTTVAR within the options' bounds.</summary>
    public readonly long Timeout(StackOptions options) =>
        _smoothed == 0 ? options.InitialRto : Math.Clamp(_smoothed + 4 * _variation, options.MinRto, options.MaxRto);
}
