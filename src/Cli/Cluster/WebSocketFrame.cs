using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Telepresence.Cli.Cluster;

/// <summary>The header of a WebSocket frame that a server sends (RFC 6455, section 5.2), read byte by byte.</summary>
internal struct WebSocketFrame
{
    /// <summary>Opcodes.</summary>
    internal const int Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10;

    /// <summary>Longest payload of a control frame.</summary>
    internal const int LongestControl = 125;

    /// <summary>Set in the first byte: the frame is its message's last.</summary>
    internal const int Final = 0x80;

    /// <summary>Set in the second byte: a mask follows.</summary>
    internal const int Masked = 0x80;

    /// <summary>In the place of a length: the two or eight bytes behind it are the length.</summary>
    internal const int ShortLength = 126, LongLength = 127;

    private const int Reserved = 0x70, LengthBits = 0x7f;

    private Header _bytes;
    private int _filled;

    /// <summary>What kind of frame it is.</summary>
    internal readonly int Opcode => _bytes[0] & 0xf;

    /// <summary>Whether it is its message's last.</summary>
    internal readonly bool IsFinal => (_bytes[0] & Final) != 0;

    /// <summary>Whether it stands among the frames of a message and is not one of them.</summary>
    internal readonly bool IsControl => Opcode >= Close;

    /// <summary>Bytes of payload behind the header.</summary>
    internal readonly long Length => (_bytes[1] & LengthBits) switch
    {
        ShortLength => BinaryPrimitives.ReadUInt16BigEndian(_bytes[2..4]),
        LongLength => BinaryPrimitives.ReadInt64BigEndian(_bytes[2..10]),
        int length => length,
    };

    /// <summary>Whether a server may send it to a client that asked for no extension.</summary>
    internal readonly bool IsValid => (_bytes[0] & Reserved) == 0 && (_bytes[1] & Masked) == 0 && Length >= 0
        && (IsControl ? IsFinal && Length <= LongestControl && Opcode <= Pong : Opcode <= Binary);

    /// <summary>Takes the next byte.</summary>
    /// <returns>Whether the header is complete.</returns>
    internal bool Take(byte next)
    {
        _bytes[_filled++] = next;
        return _filled >= 2 && _filled == (_bytes[1] & LengthBits) switch { ShortLength => 4, LongLength => 10, _ => 2 };
    }

    [InlineArray(10)]
    private struct Header
    {
        private byte _first;
    }
}
