using System.Buffers.Binary;

namespace Telepresence.Dns;

/// <summary>
/// Cuts one TCP connection's bytes into DNS messages: each is preceded by its length in two bytes (RFC 1035 §4.2.2). Holds at most one
/// message of at most the size given; a longer one is a protocol error that the caller answers by closing the connection.
/// <code>
///   n = recv(fd, framer.Free);  framer.Advance(n);
///   while (framer.TryTake(out var message)) use(message);   // the span is valid until the next Free
///   if (framer.IsBroken) close(fd);
/// </code>
/// </summary>
/// <param name="maxMessage">Largest message accepted, in bytes.</param>
public sealed class DnsTcpFramer(int maxMessage)
{
    private const int PrefixSize = 2;

    private readonly byte[] _buffer = new byte[maxMessage + PrefixSize];
    private int _start;
    private int _end;

    /// <summary>The peer announced a message that is empty or longer than allowed.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Part of a message has arrived: an idle connection in this state deserves a time limit.</summary>
    public bool HasPartialMessage => _end > _start;

    /// <summary>Where the next received bytes go; never empty after all complete messages were taken, unless broken.</summary>
    public Span<byte> Free
    {
        get
        {
            if (_start > 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                _end -= _start;
                _start = 0;
            }
            return IsBroken ? [] : _buffer.AsSpan(_end);
        }
    }

    /// <summary>Says how many bytes were put into <see cref="Free"/>.</summary>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _buffer.Length - _end);
        _end += count;
    }

    /// <summary>Takes the next complete message.</summary>
    public bool TryTake(out ReadOnlySpan<byte> message)
    {
        message = default;
        if (IsBroken || _end - _start < PrefixSize) return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(_buffer.AsSpan(_start));
        if (length == 0 || length > maxMessage)
        {
            IsBroken = true;
            return false;
        }
        if (_end - _start < PrefixSize + length) return false;
        message = _buffer.AsSpan(_start + PrefixSize, length);
        _start += PrefixSize + length;
        return true;
    }

    /// <summary>Writes the length prefix of an outgoing message.</summary>
    public static void WritePrefix(Span<byte> destination, int messageLength) =>
        BinaryPrimitives.WriteUInt16BigEndian(destination, checked((ushort)messageLength));
}
