namespace Telepresence.Tunnel.Io;

/// <summary>
/// For how long a loop looks for events by itself before it sleeps: a state machine that learns from how long the loop has slept. All
/// times are in microseconds.
/// </summary>
/// <remarks>
/// To wake a thread takes tens of microseconds, and a round trip through a session wakes four times more than one without. A loop whose
/// events come that quickly one after another is better awake; one whose events come later, on a slow link or when nothing happens, must not
/// burn a processor. The rule is that of Linux for virtual processors (Documentation/virt/guest-halt-polling.rst): who has slept for less
/// than <see cref="Longest"/> looks for twice as long next time, who has slept for longer looks for half.
/// </remarks>
internal struct BusyPoll
{
    internal const long Shortest = 10, Longest = 100;

    /// <summary>How long to look before the next sleep.</summary>
    internal long Window { get; private set; }

    /// <summary>The loop had nothing to do for <paramref name="microseconds"/>, and had to be woken.</summary>
    internal void Slept(long microseconds)
    {
        if (microseconds <= Longest)
            Window = Math.Clamp(Window * 2, Shortest, Longest);
        else if (Window > 0)
            Window = Window / 2 < Shortest ? 0 : Window / 2;
    }
}
