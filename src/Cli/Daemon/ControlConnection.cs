using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>A connection between the front end and a daemon: JSON messages, one a line, over a Unix socket.</summary>
internal sealed class ControlConnection : IAsyncDisposable
{
    // A request carries the user's whole environment, which Linux bounds at a few megabytes.
    private const int LongestLine = 8 * 1024 * 1024;

    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly PipeReader _reader;
    private readonly SemaphoreSlim _writing = new(1, 1);

    /// <summary>Takes over a connected socket.</summary>
    internal ControlConnection(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true);
        _reader = PipeReader.Create(_stream);
    }

    /// <summary>Connects to a daemon.</summary>
    /// <returns>Null when none listens there.</returns>
    /// <exception cref="UserError">This user may not talk to it.</exception>
    internal static ControlConnection? TryConnect(string path)
    {
        // The usual case, and a socket's exception takes longer than all else that status does.
        if (FileStatus.Read(path, follow: true, out _) == Libc.ENOENT)
            return null;
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return new ControlConnection(socket);
        }
        catch (SocketException fault)
        {
            socket.Dispose();
            return fault.SocketErrorCode switch
            {
                SocketError.AccessDenied => throw new UserError(ExitCode.NotRoot, $"You may not talk to the daemon at {path}; run this through sudo.", fault),
                _ => null,
            };
        }
    }

    /// <summary>Sends a message and waits for the answer.</summary>
    /// <returns>
    /// Null when nobody answers: to have connected means little, the socket of a process that ends takes connections until the kernel comes
    /// to close it.
    /// </returns>
    /// <exception cref="IOException">Something that is not a message.</exception>
    internal async Task<Message?> TryAskAsync(Message message, CancellationToken cancellation)
    {
        try
        {
            await SendAsync(message, cancellation);
        }
        catch (IOException)
        {
            return null;
        }

        return await ReceiveAsync(cancellation);
    }

    /// <summary>Sends a message.</summary>
    /// <exception cref="IOException">The other side is gone.</exception>
    internal async Task SendAsync(Message message, CancellationToken cancellation)
    {
        byte[] line = [.. MessageJson.Encode(message), (byte)'\n'];
        await _writing.WaitAsync(cancellation);
        try
        {
            await _stream.WriteAsync(line, cancellation);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Waits for a message.</summary>
    /// <returns>Null when the other side is gone.</returns>
    /// <exception cref="IOException">Something that is not a message.</exception>
    internal async Task<Message?> ReceiveAsync(CancellationToken cancellation)
    {
        while (true)
        {
            ReadResult read;
            try
            {
                read = await _reader.ReadAsync(cancellation);
            }
            catch (IOException)
            {
                // Reset by a peer that was killed: gone all the same.
                return null;
            }

            if (read.Buffer.PositionOf((byte)'\n') is SequencePosition end)
            {
                Message message = MessageJson.Decode(read.Buffer.Slice(0, end).ToArray());
                _reader.AdvanceTo(read.Buffer.GetPosition(1, end));
                return message;
            }

            if (read.Buffer.Length > LongestLine)
                throw new IOException("a message without end");
            _reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            if (read.IsCompleted)
                return null;
        }
    }

    /// <summary>The process at the other end.</summary>
    internal int PeerProcess => Posix.PeerOf((int)_socket.Handle).Pid;

    /// <summary>Whether root or <paramref name="uid"/> is at the other end.</summary>
    internal bool PeerIs(uint uid) => Posix.PeerOf((int)_socket.Handle).Uid is var peer && (peer == 0 || peer == uid);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _reader.CompleteAsync();
        await _stream.DisposeAsync();
        _writing.Dispose();
    }
}
