using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>
/// An event loop that a test turns by hand until something has come about, be it in the loop, in the kernel or in another thread. What a
/// test waits for must come, or the test fails instead of hanging.
/// </summary>
internal sealed class TestLoop : IDisposable
{
    private const long Patience = 60_000_000, LookAgain = 2_000;

    private readonly Guard _guard = new();

    internal TestLoop() => Loop.AddTurnHandler(_guard);

    internal EventLoop Loop { get; } = new();

    internal void Until(Func<bool> condition)
    {
        long deadline = EventLoop.Clock + Patience;
        _guard.Active = true;
        while (!condition())
        {
            Loop.Turn(wait: true);
            Assert.True(Loop.Now < deadline, "What the test waits for has not come.");
        }

        _guard.Active = false;
    }

    /// <summary>Turns until <paramref name="task"/>, which runs elsewhere, has ended.</summary>
    internal T Result<T>(Task<T> task)
    {
        Until(() => task.IsCompleted);
        return task.GetAwaiter().GetResult();
    }

    public void Dispose() => Loop.Dispose();

    // Ends the loop's waits, so that the condition is looked at again.
    private sealed class Guard : ITurnHandler
    {
        private long _next;

        internal bool Active { get; set; }

        public long NextDeadline => Active ? _next : long.MaxValue;

        public void OnTurn(long now) => _next = now + LookAgain;
    }
}
