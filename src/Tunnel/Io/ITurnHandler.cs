namespace Telepresence.Tunnel.Io;

/// <summary>A part of the process that acts once per turn of the loop, after every ready descriptor has been served.</summary>
/// <remarks>
/// This is where acknowledgements are sent, frames are gathered and timers run: once for everything that a turn brought, not once
/// for each packet.
/// </remarks>
public interface ITurnHandler
{
    /// <summary>When <see cref="OnTurn"/> must next be called even if nothing is ready: microseconds, <see cref="long.MaxValue"/> for never.</summary>
    long NextDeadline { get; }

    /// <summary>Ends the turn: run what is due, send what is pending. Handlers run in the order in which they were added.</summary>
    /// <param name="now">Microseconds on the loop's monotonic clock.</param>
    void OnTurn(long now);
}
