using System.Net.Sockets;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// A Unix socket's stream for an upgraded connection: once <see cref="WaitsItself"/> is set, whoever reads or writes waits in the system
/// call, on the thread that he is on.
/// </summary>
/// <remarks>
/// .NET's own asynchronous sockets hand each arrival from the thread that polls to one of the thread pool, which costs several context
/// switches; a port-forward delivers in pieces of a few kilobytes, so that they become most of its cost (bench/NOTES.md). Nothing may be
/// asynchronous on the socket before, because .NET then keeps it non-blocking for ever. For the same reason it reads ahead: a WebSocket asks for
/// the few bytes of a frame's header, then for its payload.
/// </remarks>
internal sealed class WaitingStream : Stream
{
    private const int AheadLength = 128 * 1024;

    private readonly Socket _socket;
    private byte[] _ahead = [];
    private int _aheadBegin;
    private int _aheadEnd;

    private WaitingStream(Socket socket) => _socket = socket;

    /// <summary>Whether calls wait in the kernel; else they are made on another thread, and end when they are cancelled.</summary>
    internal bool WaitsItself { get; set; }

    /// <summary>Bytes that have been read ahead.</summary>
    internal int Ahead => _aheadEnd - _aheadBegin;

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
            if (Ahead == 0 && (!WaitsItself || buffer.Length >= AheadLength))
                return _socket.Receive(buffer);
            if (Ahead == 0)
                ReadAhead();
            int count = Math.Min(buffer.Length, Ahead);
            _ahead.AsSpan(_aheadBegin, count).CopyTo(buffer);
            _aheadBegin += count;
            return count;
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

    private void ReadAhead()
    {
        if (_ahead.Length == 0)
            _ahead = GC.AllocateUninitializedArray<byte>(AheadLength);
        _aheadBegin = _aheadEnd = 0;
        _aheadEnd = _socket.Receive(_ahead);
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
