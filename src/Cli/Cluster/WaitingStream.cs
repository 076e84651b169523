using System.Net.Sockets;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// A Unix socket's stream for an upgraded connection: once <see cref="WaitsItself"/> is set, whoever reads or writes waits in the system
/// call, on the thread that he is on.
/// </summary>
/// <remarks>
/// .NET's own asynchronous sockets hand each arrival from the thread that polls to one of the thread pool, which costs several context
/// switches; a port-forward delivers in pieces of a few kilobytes, so that they become most of its cost (bench/NOTES.md). Nothing may be
/// asynchronous on the socket before, because .NET then keeps it non-blocking for ever.
/// </remarks>
internal sealed class WaitingStream : Stream
{
    private readonly Socket _socket;

    private WaitingStream(Socket socket) => _socket = socket;

    /// <summary>Whether calls wait in the kernel; else they are made on another thread, and end when they are cancelled.</summary>
    internal bool WaitsItself { get; set; }

    /// <summary>Bytes that can be read without waiting.</summary>
    internal int Available => _socket.Available;

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
    internal static WaitingStream Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return new WaitingStream(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return _socket.Receive(buffer);
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            throw new IOException(fault.Message, fault);
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        WaitsItself ? new ValueTask<int>(Read(buffer.Span)) : new ValueTask<int>(ReadElsewhereAsync(buffer, cancellationToken));

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            while (!buffer.IsEmpty)
                buffer = buffer[_socket.Send(buffer)..];
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            throw new IOException(fault.Message, fault);
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // A request before the upgrade fits into the socket's buffer.
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
        // Also wakes who waits in a call.
        if (disposing)
            _socket.Dispose();
        base.Dispose(disposing);
    }

    private async Task<int> ReadElsewhereAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        using CancellationTokenRegistration registration = cancellation.UnsafeRegister(static socket => ((Socket)socket!).Dispose(), _socket);
        try
        {
            return await Task.Run(() => Read(buffer.Span), CancellationToken.None).ConfigureAwait(false);
        }
        catch (IOException) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellation);
        }
    }
}
