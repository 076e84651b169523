using System.Buffers.Binary;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// View over a TCP segment (RFC 9293 §3.1) whose header length has been validated.
/// <code>
///  0..1 source port   2..3 destination port   4..7 sequence   8..11 acknowledgment
/// 12 data offset      13 control bits         14..15 window   16..17 checksum   18..19 urgent pointer
/// 20.. options, then the payload
/// </code>
/// </summary>
internal readonly ref struct TcpHeader
{
    public const int MinimumSize = 20;
    public const int ChecksumOffset = 16;

    private readonly ReadOnlySpan<byte> _segment;

    private TcpHeader(ReadOnlySpan<byte> segment) => _segment = segment;

    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_segment);
    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_segment[2..]);
    public uint Sequence => BinaryPrimitives.ReadUInt32BigEndian(_segment[4..]);
    public uint Acknowledgment => BinaryPrimitives.ReadUInt32BigEndian(_segment[8..]);
    public int HeaderLength => _segment[12] >> 4 << 2;
    public TcpFlags Flags => (TcpFlags)_segment[13];
    /// <summary>The window field as it stands, not scaled.</summary>
    public ushort Window => BinaryPrimitives.ReadUInt16BigEndian(_segment[14..]);
    public ReadOnlySpan<byte> Options => _segment[MinimumSize..HeaderLength];
    public ReadOnlySpan<byte> Payload => _segment[HeaderLength..];
    public ReadOnlySpan<byte> Segment => _segment;
    /// <summary>How much sequence space the segment takes: payload, SYN and FIN.</summary>
    public int SequenceLength =>
        _segment.Length - HeaderLength + ((Flags & TcpFlags.Syn) != 0 ? 1 : 0) + ((Flags & TcpFlags.Fin) != 0 ? 1 : 0);

    public bool Has(TcpFlags flag) => (Flags & flag) != 0;

    public static bool TryParse(ReadOnlySpan<byte> segment, out TcpHeader header)
    {
        header = default;
        if (segment.Length < MinimumSize)
            return false;
        var length = segment[12] >> 4 << 2;
        if (length < MinimumSize || length > segment.Length)
            return false;
        header = new(segment);
        return true;
    }

    /// <summary>
    /// Writes the fixed part with checksum 0 and returns its length with <paramref name="optionsLength"/> bytes of
    /// options, which the caller writes (a multiple of 4).
    /// </summary>
    public static int Write(
        Span<byte> destination, ushort sourcePort, ushort destinationPort, uint sequence, uint acknowledgment, TcpFlags flags,
        ushort window, int optionsLength = 0)
    {
        destination = destination[..MinimumSize];
        BinaryPrimitives.WriteUInt16BigEndian(destination, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], destinationPort);
        BinaryPrimitives.WriteUInt32BigEndian(destination[4..], sequence);
        BinaryPrimitives.WriteUInt32BigEndian(destination[8..], acknowledgment);
        destination[12] = (byte)((MinimumSize + optionsLength) >> 2 << 4);
        destination[13] = (byte)flags;
        BinaryPrimitives.WriteUInt16BigEndian(destination[14..], window);
        BinaryPrimitives.WriteUInt32BigEndian(destination[16..], 0);
        return MinimumSize + optionsLength;
    }
}
