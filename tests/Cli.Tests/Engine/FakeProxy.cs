using System.Security.Cryptography;

using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Tests.Engine;

/// <summary>The other end of one session, on a loop of its own; a link is a pair of sockets.</summary>
internal sealed class FakeProxy : ILinkSource, IMuxSessionHandler, IMuxStreamHandler, IAsyncDisposable
{
    internal const string Version = "1.0.0";

    private readonly EventLoop _loop = new();
    private readonly ChunkPool _pool = new();
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly LinkAcceptor _door;
    private readonly Task _running;
    private MuxSession? _session;
    private LinkPump? _pump;

    internal FakeProxy(byte[] key)
    {
        MuxAcceptor acceptor = new(new MuxSessionOptions { Version = Version }, SHA256.HashData(key), 1, (options, now) =>
        {
            _session = new MuxSession(SessionRole.Server, options, _pool, this, now);
            _pump = new LinkPump(_loop, _session);
            return _session;
        });
        _door = new LinkAcceptor(_loop, acceptor, Admit, static _ => { }, 4, 10_000_000);
        _running = _loop.Start("fake proxy");
    }

    /// <summary>What to do with a stream that asks for the report.</summary>
    internal Action<MuxSession, MuxStream, long> OnInfo { get; init; } = static (_, stream, now) => Report(stream, now);

    /// <summary>What to do when the client has read the report.</summary>
    internal Action<MuxSession, long> OnReported { get; init; } = static (_, _) => { };

    internal Action<MuxSession, long> OnEstablished { get; init; } = static (_, _) => { };

    /// <summary>Why the session has ended.</summary>
    internal Task<string> Ended => _ended.Task;

    /// <summary>Ends when the report has been asked for.</summary>
    internal Task Asked => _asked.Task;

    private static void Report(MuxStream stream, long now)
    {
        stream.Accept(default, now);
        stream.Write("{}"u8, now);
        stream.WriteEnd(now);
    }

    public unsafe Task<Link> ConnectAsync(CancellationToken cancellation)
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0, pair));
        FileDescriptor near = new(pair[0]), far = new(pair[1]);
        _loop.Post(() => _door.Take(far, _loop.Now));
        return Task.FromResult(new Link(near));
    }

    public async ValueTask DisposeAsync()
    {
        _loop.Stop();
        await _running;
        _pump?.Dispose();
        _loop.Dispose();
    }

    void IMuxSessionHandler.OnEstablished(long now) => OnEstablished(_session!, now);

    void IMuxSessionHandler.OnSuspended(string reason, long now)
    {
    }

    void IMuxSessionHandler.OnResumed(long now)
    {
    }

    void IMuxSessionHandler.OnEnded(string reason, long now) => _ended.TrySetResult(reason);

    void IMuxSessionHandler.OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        _asked.TrySetResult();
        stream.Handler = this;
        OnInfo(_session!, stream, now);
    }

    void IMuxSessionHandler.OnLinkDead(string reason, long now) => _pump!.Detach();

    void IMuxSessionHandler.OnOutput()
    {
    }

    void IMuxStreamHandler.OnEnd(MuxStream stream, long now) => OnReported(_session!, now);

    void IMuxStreamHandler.OnReset(MuxStream stream, RefuseCode code, long now)
    {
    }

    void IMuxStreamHandler.OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
    {
    }

    private void Admit(MuxSession session, FileDescriptor link, ReadOnlySpan<byte> rest, long now)
    {
        _pump!.Attach(link);
        session.Receive(rest, now);
    }
}
