using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>One conversation with a program over the agent's socket.</summary>
internal sealed unsafe class PreloadCall : IReadyHandler, IDisposable
{
    private readonly PreloadAgent _agent;
    private readonly EventLoop _loop;
    private readonly FileDescriptor _socket;
    private bool _disposed;

    internal PreloadCall(PreloadAgent agent, EventLoop loop, FileDescriptor socket)
    {
        _agent = agent;
        _loop = loop;
        _socket = socket;
        User = PeerUser(socket);
        loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <summary>Whose the program is.</summary>
    internal uint User { get; }

    /// <summary>The connection that was dialled for it.</summary>
    internal PreloadDial? Dial { get; set; }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        byte[] buffer = _agent.Buffer;
        nint length;
        fixed (byte* at = buffer)
            length = Libc.recv(_socket.Number, at, (nuint)buffer.Length, Libc.MSG_DONTWAIT);
        if (length < 0 && Libc.Errno is Libc.EAGAIN or Libc.EINTR)
            return;
        if (length > 0 && PreloadMessage.TryRead(buffer.AsSpan(0, (int)length), out PreloadMessage message))
        {
            _agent.Answer(this, message, now);
            return;
        }

        Dispose();
        Dial?.CallEnded(now);
    }

    /// <summary>Sends an answer. It always fits; a program that has gone needs none.</summary>
    internal void Reply(ReadOnlySpan<byte> answer)
    {
        fixed (byte* at = answer)
            _ = Libc.send(_socket.Number, at, (nuint)answer.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
    }

    /// <summary>Says what became of the dial.</summary>
    internal void Verdict(ReadOnlySpan<byte> answer) => Reply(answer);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _loop.Remove(_socket.Number);
        _socket.Dispose();
        _agent.Ended(this);
    }

    // struct ucred: pid, uid, gid. Nobody when the kernel does not say.
    private static uint PeerUser(FileDescriptor socket)
    {
        uint* credentials = stackalloc uint[3];
        uint length = 3 * sizeof(uint);
        return Libc.getsockopt(socket.Number, Libc.SOL_SOCKET, Libc.SO_PEERCRED, credentials, &length) == 0 ? credentials[1] : uint.MaxValue;
    }
}
