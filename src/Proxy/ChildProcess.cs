using Telepresence.Tunnel.Io;

namespace Telepresence.Proxy;

/// <summary>A child whose standard input and output are one descriptor, and whose end the loop notices.</summary>
internal sealed class ChildProcess : IReadyHandler
{
    private readonly EventLoop _loop;
    private readonly SpawnedProcess _process;
    private readonly Action<int> _exited;

    private ChildProcess(EventLoop loop, SpawnedProcess process, Action<int> exited)
    {
        _loop = loop;
        _process = process;
        _exited = exited;
        loop.Add(process.Pidfd.Number, Readiness.Read, this);
    }

    /// <summary>Starts a program.</summary>
    /// <param name="loop">Notices its end.</param>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, from argv[0] on.</param>
    /// <param name="environment">All its variables, <c>NAME=value</c>.</param>
    /// <param name="standardInputAndOutput">Becomes its descriptors 0 and 1.</param>
    /// <param name="extra">Becomes its descriptor 3; null for none.</param>
    /// <param name="exited">Gets the wait status (waitpid(2)) on the loop's thread.</param>
    /// <exception cref="IOException">It cannot be started; the message says why.</exception>
    internal static void Start(
        EventLoop loop,
        string path,
        IReadOnlyList<string> arguments,
        IReadOnlyList<string> environment,
        FileDescriptor standardInputAndOutput,
        FileDescriptor? extra,
        Action<int> exited)
    {
        int stream = standardInputAndOutput.Number;
        int[] streams = extra is null ? [stream, stream] : [stream, stream, -1, extra.Number];
        _ = new ChildProcess(loop, SpawnedProcess.Start(path, arguments, environment, streams, ownSession: false), exited);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        if (!_process.TryReap(out int status))
            return;
        _loop.Remove(_process.Pidfd.Number);
        _process.Dispose();
        _exited(status);
    }
}
