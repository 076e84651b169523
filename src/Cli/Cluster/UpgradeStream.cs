using System.Net.Sockets;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// A Unix socket's stream for one HTTP exchange, of which the socket is what remains: whoever takes it finds the first byte behind the answer's
/// headers.
/// </summary>
/// <remarks>
/// An HTTP client reads as much as there is, and keeps it. So the headers are read byte by byte, and given to it at once. Reads wait on another
/// thread: .NET would keep polling a socket that it has once waited for itself. Who waits is woken by the stream's end: an HTTP client that
/// is told to give up closes its connection, and cancels nothing.
/// </remarks>
internal sealed class UpgradeStream : Stream
{
    private const int LongestHead = 64 * 1024;

    private readonly FileDescriptor _socket;
    private byte[]? _head;
    private int _headRead;

    private UpgradeStream(FileDescriptor socket) => _socket = socket;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Connects.</summary>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    internal static UpgradeStream Connect(string path)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return new UpgradeStream(Posix.Duplicate((int)socket.Handle));
    }

    /// <summary>Gives the socket away, non-blocking.</summary>
    internal FileDescriptor Take()
    {
        Posix.SetNonBlocking(_socket.Number);
        return new FileDescriptor(_socket.Take());
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        if (_head is null || (_headRead == _head.Length && IsInterim(_head)))
        {
            _head = ReadHead();
            _headRead = 0;
        }

        if (_headRead == _head.Length)
            return Receive(buffer);
        int count = Math.Min(buffer.Length, _head.Length - _headRead);
        _head.AsSpan(_headRead, count).CopyTo(buffer);
        _headRead += count;
        return count;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(static stream => ((UpgradeStream)stream!).Dispose(), this);
        int count = await Task.Run(() => Read(buffer.Span), CancellationToken.None).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return count;
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override unsafe void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            nint sent;
            using (Use use = new(_socket))
            {
                fixed (byte* bytes = buffer)
                    sent = Libc.send(use.Number, bytes, (nuint)buffer.Length, Libc.MSG_NOSIGNAL);
            }

            if (sent >= 0)
                buffer = buffer[(int)sent..];
            else if (Libc.Errno != Libc.EINTR)
                throw Libc.Failure("writing to kubectl proxy");
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // A request fits into the socket's buffer.
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer.AsSpan(offset, count));
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        // Nothing is kept back.
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_socket.IsClosed)
        {
            Wake();
            _socket.Dispose();
        }

        base.Dispose(disposing);
    }

    private byte[] ReadHead()
    {
        List<byte> head = new(512);
        Span<byte> next = stackalloc byte[1];
        while (head.Count < LongestHead && Receive(next) == 1)
        {
            head.Add(next[0]);
            if (next[0] == '\n' && head.Count >= 3 && (head[^2] == '\n' || (head[^2] == '\r' && head[^3] == '\n')))
                break;
        }

        return [.. head];
    }

    private unsafe int Receive(Span<byte> buffer)
    {
        while (true)
        {
            nint count;
            using (Use use = new(_socket))
            {
                fixed (byte* bytes = buffer)
                    count = Libc.recv(use.Number, bytes, (nuint)buffer.Length, 0);
            }

            if (count >= 0)
                return (int)count;
            if (Libc.Errno != Libc.EINTR)
                throw Libc.Failure("reading from kubectl proxy");
        }
    }

    // Who waits in a call finds the end of the stream; to close it would leave him waiting.
    private void Wake()
    {
        using Use use = new(_socket);
        _ = Posix.shutdown(use.Number, Posix.SHUT_RDWR);
    }

    // 100 or 103, behind which another head follows; not 101.
    private static bool IsInterim(ReadOnlySpan<byte> head) => head.StartsWith("HTTP/1.1 1"u8) && !head.StartsWith("HTTP/1.1 101"u8);

    /// <summary>A call on the socket, whose number stays its own until the call is over, also when the stream is disposed of meanwhile.</summary>
    private readonly ref struct Use
    {
        private readonly FileDescriptor _socket;

        internal Use(FileDescriptor socket)
        {
            bool added = false;
            socket.DangerousAddRef(ref added);
            _socket = socket;
            Number = (int)socket.DangerousGetHandle();
        }

        internal int Number { get; }

        public void Dispose() => _socket.DangerousRelease();
    }
}
