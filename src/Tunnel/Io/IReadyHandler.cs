namespace Telepresence.Tunnel.Io;

/// <summary>Serves one file descriptor of an <see cref="EventLoop"/>.</summary>
public interface IReadyHandler
{
    /// <summary>The descriptor is ready. Called on the loop's thread.</summary>
    /// <param name="readiness">What for.</param>
    /// <param name="now">Microseconds on the loop's monotonic clock.</param>
    void OnReady(Readiness readiness, long now);
}
