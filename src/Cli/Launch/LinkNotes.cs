using System.Globalization;

namespace Telepresence.Cli.Launch;

/// <summary>
/// Mentions that the link was lost: in one line when it is back, and before that only when it takes so long that somebody may wonder.
/// </summary>
internal sealed class LinkNotes(Action<string> say, TimeSpan patience, TimeProvider clock) : IDisposable
{
    private readonly Lock _lock = new();
    private ITimer? _waiting;
    private long _downSince;
    private bool _told;

    /// <summary>The link is down, with the reason, or back, with null.</summary>
    internal void OnLink(string? reason)
    {
        lock (_lock)
        {
            if (reason is null)
                Back();
            else if (_waiting is null)
                Down(reason);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _waiting?.Dispose();
            _waiting = null;
        }
    }

    private void Down(string reason)
    {
        _downSince = clock.GetTimestamp();
        _told = false;
        _waiting = clock.CreateTimer(
            _ =>
            {
                lock (_lock)
                {
                    if (_waiting is null || _told)
                        return;
                    _told = true;
                    say($"The link to the cluster is down; connections wait until it is back ({reason.TrimEnd('.')}).");
                }
            },
            null,
            patience,
            Timeout.InfiniteTimeSpan);
    }

    private void Back()
    {
        if (_waiting is null)
            return;
        _waiting.Dispose();
        _waiting = null;
        TimeSpan time = clock.GetElapsedTime(_downSince);
        say($"The link to the cluster is back after {time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s; nothing was lost.");
    }
}
