namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Keys to look at, each at most once in the queue, now or later. One reader.</summary>
internal sealed class WorkQueue<T>(TimeProvider time) where T : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<T, long> _due = [];
    private readonly SemaphoreSlim _bell = new(0);

    public void Add(T key) => Add(key, TimeSpan.Zero);

    /// <summary>Due after a delay, or sooner if it already was.</summary>
    public void Add(T key, TimeSpan delay)
    {
        var at = time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency);
        lock (_gate)
        {
            if (_due.TryGetValue(key, out var earlier) && earlier <= at) return;
            _due[key] = at;
        }
        _bell.Release();
    }

    public async Task<T> TakeAsync(CancellationToken cancel)
    {
        while (true)
        {
            TimeSpan wait;
            lock (_gate)
            {
                var now = time.GetTimestamp();
                var (key, at) = (default(T), long.MaxValue);
                foreach (var (k, t) in _due)
                    if (t < at) (key, at) = (k, t);
                if (at <= now)
                {
                    _due.Remove(key!);
                    return key!;
                }
                wait = at == long.MaxValue ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds((at - now) / (double)time.TimestampFrequency) + TimeSpan.FromMilliseconds(1);
            }
            await _bell.WaitAsync(wait, cancel).ConfigureAwait(false);
        }
    }
}
