using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Proxy;

/// <summary>One file's contents for an archive: as many bytes as it had when it was opened, all of one moment.</summary>
/// <remarks>Opened so that a pipe which has taken the file's name meanwhile keeps nobody waiting.</remarks>
internal sealed unsafe class ArchivedFile : Stream
{
    private readonly FileDescriptor _file;
    private readonly string _path;
    private readonly FileStatus _status;
    private long _position;

    private ArchivedFile(FileDescriptor file, string path, FileStatus status)
    {
        _file = file;
        _path = path;
        _status = status;
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <summary>True, although nobody seeks: whoever writes a header wants to know <see cref="Length"/> first.</summary>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => _status.Length;

    /// <inheritdoc/>
    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    /// <summary>Opens.</summary>
    /// <returns>Null when there is no such file any more.</returns>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal static ArchivedFile? TryOpen(string path)
    {
        int number;
        fixed (byte* at = Encoding.UTF8.GetBytes(path + '\0'))
            number = Libc.open(at, Libc.O_NONBLOCK | Libc.O_CLOEXEC);
        if (number < 0)
        {
            return Libc.Errno switch
            {
                Libc.ENOENT or Libc.ENOTDIR or Libc.ENXIO => null,
                Libc.EACCES or Libc.EPERM => throw new UnauthorizedAccessException($"{path}: {Libc.Describe(Libc.Errno)}"),
                _ => throw Libc.Failure(path),
            };
        }

        FileDescriptor file = new(number);
        if (FileStatus.Read(file, out FileStatus status) == 0 && status.Kind == FileKind.Regular)
            return new ArchivedFile(file, path, status);
        file.Dispose();
        return null;
    }

    /// <summary>Throws when anybody has written to it since it was opened.</summary>
    /// <exception cref="IOException">Somebody has.</exception>
    internal void ThrowIfChanged()
    {
        if (_position != Length || FileStatus.Read(_file, out FileStatus now) != 0
            || (now.Length, now.Modified) != (_status.Length, _status.Modified))
            throw Changed();
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        buffer = buffer[..(int)Math.Min(buffer.Length, Length - _position)];
        if (buffer.IsEmpty)
            return 0;
        nint count;
        fixed (byte* at = buffer)
        {
            do
                count = Libc.read(_file.Number, at, (nuint)buffer.Length);
            while (count < 0 && Libc.Errno == Libc.EINTR);
        }

        if (count < 0)
            throw Libc.Failure(_path);

        // Shorter than its header says; what would follow could not be told from it.
        if (count == 0)
            throw Changed();
        _position += count;
        return (int)count;
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        // Nothing is written.
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _file.Dispose();
        base.Dispose(disposing);
    }

    private IOException Changed() => new($"{_path} changed while it was read");
}
