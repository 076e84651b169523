using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>An event loop that a test turns by hand. What it waits for must come, or the test fails instead of hanging.</summary>
internal sealed class TestLoop : IDisposable
{
    private const long Patience = 20_000_000;

    private readonly Guard _guard = new();

    internal TestLoop() => Loop.AddTurnHandler(_guard);

    internal EventLoop Loop { get; } = new();

    internal void Until(Func<bool> condition)
    {
        _guard.NextDeadline = EventLoop.Clock + Patience;
        while (!condition())
        {
            Loop.Turn(wait: true);
            Assert.False(_guard.Passed, "What the test waits for has not come.");
        }

        _guard.NextDeadline = long.MaxValue;
    }

    /// <summary>Turns until <paramref name="task"/>, which runs elsewhere, has ended.</summary>
    internal T Result<T>(Task<T> task)
    {
        _ = task.ContinueWith(_ => Loop.Post(static () => { }), TaskScheduler.Default);
        Until(() => task.IsCompleted);
        return task.GetAwaiter().GetResult();
    }

    public void Dispose() => Loop.Dispose();

    private sealed class Guard : ITurnHandler
    {
        public long NextDeadline { get; set; } = long.MaxValue;

        internal bool Passed { get; private set; }

        public void OnTurn(long now)
        {
            if (now < NextDeadline)
                return;
            Passed = true;
            NextDeadline = long.MaxValue;
        }
    }
}
