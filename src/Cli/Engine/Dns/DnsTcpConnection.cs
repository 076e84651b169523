using Telepresence.Dns;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Engine.Dns;

/// <summary>One TCP connection of a local program to port 53; may carry several questions, answered in any order (RFC 7766 §6.2.1.1).</summary>
internal sealed unsafe class DnsTcpConnection : IReadyHandler, IDisposable
{
    // Answers that a program asks for and does not read; beyond this it is closed.
    private const int MaxUnread = 1 << 20;

    private readonly EventLoop _loop;
    private readonly FileDescriptor _socket;
    private readonly Resolver _resolver;
    private readonly ByteQueue _output;
    private readonly Action<DnsTcpConnection> _closed;
    private readonly DnsTcpFramer _framer = new(ushort.MaxValue);
    private bool _writing;
    private bool _disposed;

    internal DnsTcpConnection(EventLoop loop, FileDescriptor socket, in DnsClientToken token, Resolver resolver, ChunkPool pool, long now, Action<DnsTcpConnection> closed)
    {
        _loop = loop;
        _socket = socket;
        Token = token;
        _resolver = resolver;
        _output = new ByteQueue(pool);
        _closed = closed;
        LastUse = now;
        loop.Add(socket.Number, Readiness.Read, this);
    }

    internal DnsClientToken Token { get; }

    /// <summary>When bytes last moved, microseconds.</summary>
    internal long LastUse { get; private set; }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        if ((readiness & Readiness.Write) != 0)
            Flush(now);
        if (!_disposed && (readiness & ~Readiness.Write) != 0)
            Read(now);
    }

    /// <summary>Sends an answer, or keeps it until the program reads.</summary>
    internal void Reply(ReadOnlySpan<byte> message, long now)
    {
        Span<byte> prefix = stackalloc byte[2];
        DnsTcpFramer.WritePrefix(prefix, message.Length);
        _output.Append(prefix);
        _output.Append(message);
        Flush(now);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _output.Clear();
        _loop.Remove(_socket.Number);
        _socket.Dispose();
        _closed(this);
    }

    private void Read(long now)
    {
        Span<byte> free = _framer.Free;
        nint count;
        fixed (byte* at = free)
            count = Libc.recv(_socket.Number, at, (nuint)free.Length, Libc.MSG_DONTWAIT);
        if (count < 0 && Libc.Errno is Libc.EAGAIN or Libc.EINTR)
            return;
        if (count <= 0)
        {
            Dispose();
            return;
        }

        LastUse = now;
        _framer.Advance((int)count);
        while (!_disposed && _framer.TryTake(out ReadOnlySpan<byte> query))
            _resolver.Receive(query, Token, now);
        if (_framer.IsBroken)
            Dispose();
    }

    private void Flush(long now)
    {
        while (_output.Length > 0)
        {
            ReadOnlySpan<byte> run = _output.Peek(_output.Head, int.MaxValue);
            nint sent;
            fixed (byte* at = run)
                sent = Libc.send(_socket.Number, at, (nuint)run.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            if (sent > 0)
            {
                LastUse = now;
                _output.Release(_output.Head + sent);
            }
            else if (Libc.Errno == Libc.EAGAIN && _output.Length <= MaxUnread)
            {
                Watch(writing: true);
                return;
            }
            else if (Libc.Errno != Libc.EINTR)
            {
                Dispose();
                return;
            }
        }

        Watch(writing: false);
    }

    private void Watch(bool writing)
    {
        if (_writing == writing)
            return;
        _writing = writing;
        _loop.Modify(_socket.Number, writing ? Readiness.Read | Readiness.Write : Readiness.Read);
    }
}
