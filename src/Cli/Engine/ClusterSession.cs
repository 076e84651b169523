using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Engine;

/// <summary>
/// One session with one proxy pod: its state machine, its pump on the loop, and the task that gives it links.
/// </summary>
internal sealed class ClusterSession : IMuxSessionHandler, IDisposable
{
    private readonly EventLoop _loop;
    private readonly ISessionObserver _observer;
    private readonly LinkPump _pump;
    private readonly LinkKeeper _keeper;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _established = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Begins to connect. On the loop's thread.</summary>
    internal ClusterSession(EventLoop loop, ChunkPool pool, MuxSessionOptions options, ILinkSource source, ISessionObserver observer)
    {
        _loop = loop;
        _observer = observer;
        Mux = new MuxSession(SessionRole.Client, options, pool, this, loop.Now);
        _pump = new LinkPump(loop, Mux);
        _keeper = new LinkKeeper(loop, Mux, _pump, source, TimeProvider.System);
        CancellationToken stopping = _stopping.Token;
        _ = Task.Run(() => KeepAsync(stopping));
    }

    /// <summary>The state machine; touched on the loop's thread only.</summary>
    internal MuxSession Mux { get; }

    /// <summary>Ends when the session was established; fails with <see cref="SessionLostException"/> when it ended before that.</summary>
    internal Task Established => _established.Task;

    /// <summary>Why there is no link at present, or null.</summary>
    internal string? LinkFailure => _keeper.LastFailure;

    void IMuxSessionHandler.OnEstablished(long now)
    {
        _established.TrySetResult();
        _observer.OnLink(up: true, reason: null, now);
    }

    void IMuxSessionHandler.OnSuspended(string reason, long now) => _observer.OnLink(up: false, reason, now);

    void IMuxSessionHandler.OnResumed(long now) => _observer.OnLink(up: true, reason: null, now);

    void IMuxSessionHandler.OnEnded(string reason, long now)
    {
        _stopping.Cancel();
        if (!_established.TrySetException(new SessionLostException(reason)))
            _observer.OnEnded(this, reason, now);
    }

    void IMuxSessionHandler.OnLinkDead(string reason, long now) => _pump.Detach();

    void IMuxSessionHandler.OnOutput()
    {
        // The pump gathers at the end of every turn.
    }

    void IMuxSessionHandler.OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now) =>
        _observer.OnStreamOpened(this, stream, target, now);

    // Without links the session would wait for nothing until its time limit, so whatever stops the task ends it, with the reason.
    private async Task KeepAsync(CancellationToken stopping)
    {
        try
        {
            await _keeper.RunAsync(stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Ended or disposed of.
        }
        catch (Exception fault)
        {
            _loop.Post(() => Mux.End($"making links failed: {fault.Message}", _loop.Now));
        }
    }

    /// <summary>Leaves the loop and gives up the link. On the loop's thread, not from inside a turn handler.</summary>
    public void Dispose()
    {
        _stopping.Cancel();
        _pump.Dispose();
        _stopping.Dispose();
    }
}

/// <summary>Is told, on the loop's thread, what becomes of a session.</summary>
internal interface ISessionObserver
{
    /// <summary>The session has a link again, or has lost it; its flows wait meanwhile.</summary>
    void OnLink(bool up, string? reason, long now);

    /// <summary>The proxy has opened a stream.</summary>
    void OnStreamOpened(ClusterSession session, MuxStream stream, ReadOnlySpan<byte> target, long now);

    /// <summary>The session, once established, is over; its flows were reset.</summary>
    void OnEnded(ClusterSession session, string reason, long now);
}
