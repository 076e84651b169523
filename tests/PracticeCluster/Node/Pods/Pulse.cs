namespace Telepresence.PracticeCluster.Node;

/// <summary>Wakes everyone who waits, once per call.</summary>
internal sealed class Pulse
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal void Send() =>
        Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>Waits for the next call, at most so long.</summary>
    internal async Task WaitAsync(TimeSpan limit, CancellationToken cancel)
    {
        try
        {
            await Volatile.Read(ref _next).Task.WaitAsync(limit, cancel);
        }
        catch (TimeoutException)
        {
            // The limit is the other way to be woken.
        }
    }
}
