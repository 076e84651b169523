using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Gives a session a link and, whenever that breaks, another: at once the first time, then at growing intervals.
/// </summary>
/// <remarks>Runs as a task beside the loop, since making a link means talking to an API server; only the hand-over is on the loop.</remarks>
/// <param name="loop">The loop that owns the session.</param>
/// <param name="session">A client session.</param>
/// <param name="pump">Its pump.</param>
/// <param name="source">Makes links.</param>
/// <param name="time">The clock for the intervals.</param>
public sealed class LinkKeeper(EventLoop loop, MuxSession session, LinkPump pump, ILinkSource source, TimeProvider time)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100), LongestDelay = TimeSpan.FromSeconds(5);

    private volatile string? _lastFailure;

    /// <summary>Why the last attempt failed, or null when there is a link.</summary>
    public string? LastFailure => _lastFailure;

    /// <summary>Keeps the session linked until it ends.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        TimeSpan delay = FirstDelay;
        while (true)
        {
            try
            {
                Link link = await source.ConnectAsync(cancellation).ConfigureAwait(false);
                LinkLife life = await loop.InvokeAsync(() => Attach(link, cancellation)).ConfigureAwait(false);
                _lastFailure = null;
                await life.Ended.WaitAsync(cancellation).ConfigureAwait(false);
                (bool carried, bool over) = await loop.InvokeAsync(() => (session.Counters.Links > life.LinksBefore, session.State == SessionState.Ended)).ConfigureAwait(false);
                if (over)
                    return;

                // A link that did its work is followed by the next at once; one that broke in its handshake counts as a failure.
                if (carried)
                {
                    delay = FirstDelay;
                    continue;
                }
            }
            catch (IOException failure)
            {
                _lastFailure = failure.Message;
            }
            catch (SessionLostException lost)
            {
                loop.Post(() => session.End(lost.Message, loop.Now));
                return;
            }

            await Task.Delay(delay, time, cancellation).ConfigureAwait(false);
            delay = delay * 2 < LongestDelay ? delay * 2 : LongestDelay;
            if (await loop.InvokeAsync(() => session.State == SessionState.Ended).ConfigureAwait(false))
                return;
        }
    }

    private LinkLife Attach(Link link, CancellationToken cancellation)
    {
        // The pump may have been disposed of meanwhile.
        if (cancellation.IsCancellationRequested)
        {
            link.Socket.Dispose();
            link.Framing?.Closed("it came too late");
            cancellation.ThrowIfCancellationRequested();
        }

        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long before = session.Counters.Links;
        session.LinkUp(loop.Now);
        pump.Attach(link.Socket, link.Framing);
        pump.Detached = _ => ended.TrySetResult();
        return new LinkLife(ended.Task, before);
    }

    private sealed record LinkLife(Task Ended, long LinksBefore);
}
