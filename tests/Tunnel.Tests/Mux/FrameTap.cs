using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>Reads along on one direction of a link, behind the hello, and notes which frames begin where.</summary>
internal sealed class FrameTap
{
    private readonly byte[] _header = new byte[FrameHeader.Size];
    private int _fill;
    private int _payload;

    /// <summary>Bytes seen.</summary>
    internal long Position { get; private set; }

    internal List<(long Position, FrameHeader Header)> Frames { get; } = [];

    internal void Feed(ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            Position++;
            if (_payload > 0)
            {
                _payload--;
                continue;
            }

            _header[_fill++] = value;
            if (_fill < _header.Length)
                continue;
            _fill = 0;
            FrameHeader header = FrameHeader.Read(_header);
            Assert.True(header.IsValid);
            _payload = header.Length;
            Frames.Add((Position - FrameHeader.Size, header));
        }
    }
}
