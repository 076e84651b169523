using Telepresence.Cli.Daemon;
using Telepresence.Cli.Engine;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>
/// Gives sockets whose other end is a file server in the pod. One lives as long as its stream: through every loss of a link, because the
/// session resumes, but not beyond the session.
/// </summary>
internal sealed class FilesLink(EngineScope scope, bool writable) : IEngineService
{
    private readonly List<TaskCompletionSource<FilesConnection>> _waiting = [];

    /// <summary>Asks for one; waits while there is no session. On the loop's thread.</summary>
    /// <returns>Fails with <see cref="IOException"/> when the proxy refuses.</returns>
    internal Task<FilesConnection> Open()
    {
        TaskCompletionSource<FilesConnection> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting.Add(result);
        if (scope.Session is { } session)
            OpenAll(session, scope.Loop.Now);
        return result.Task;
    }

    /// <inheritdoc/>
    public void OnSession(MuxSession? session, long now)
    {
        if (session is not null)
            OpenAll(session, now);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TaskCompletionSource<FilesConnection> waiting in _waiting)
            waiting.TrySetCanceled();
        _waiting.Clear();
    }

    private void OpenAll(MuxSession session, long now)
    {
        foreach (TaskCompletionSource<FilesConnection> result in _waiting)
        {
            Opening opening = new(scope, session, result);
            if (session.Open(StreamKind.Files, [writable ? (byte)1 : (byte)0], opening, now) is null)
                opening.Fail("the session takes no more streams");
        }

        _waiting.Clear();
    }

    private sealed class Opening(EngineScope scope, MuxSession session, TaskCompletionSource<FilesConnection> result) : IMuxStreamHandler
    {
        public void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
        {
            if (!TryMakePair(out FileDescriptor? near, out FileDescriptor? far))
            {
                stream.Reset(RefuseCode.NoResources, now);
                Fail("no descriptor is left");
                return;
            }

            FilesConnection connection = new(far!);
            new SocketRelay(scope.Loop, near!, stream, new ByteQueue(scope.Pool), closed: connection.SetEnded).Start(now);
            if (!result.TrySetResult(connection))
                connection.Dispose();
        }

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => Fail(reason);

        public void OnReset(MuxStream stream, RefuseCode code, long now) => Fail(session.EndReason ?? "the proxy reset the stream");

        public void OnEnd(MuxStream stream, long now)
        {
            // A reset or a refusal comes first, or the relay has taken over.
        }

        internal void Fail(string reason) => result.TrySetException(new IOException(reason));

        // Ours is used with MSG_DONTWAIT throughout; sshfs expects a blocking one.
        private static unsafe bool TryMakePair(out FileDescriptor? near, out FileDescriptor? far)
        {
            int* pair = stackalloc int[2];
            bool made = Posix.socketpair(Posix.AF_UNIX, Posix.SOCK_STREAM | Posix.SOCK_CLOEXEC, 0, pair) == 0;
            near = made ? new FileDescriptor(pair[0]) : null;
            far = made ? new FileDescriptor(pair[1]) : null;
            return made;
        }
    }
}

/// <summary>A socket to a file server in the pod.</summary>
/// <param name="socket">Blocking; not inherited by programs that this process starts.</param>
internal sealed class FilesConnection(FileDescriptor socket) : IDisposable
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The socket; whoever serves from it needs a copy of its own.</summary>
    internal FileDescriptor Socket => socket;

    /// <summary>Ends when either side has closed: the session was lost, the file server ended, or sshfs.</summary>
    internal Task Ended => _ended.Task;

    internal void SetEnded() => _ended.TrySetResult();

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();
}
