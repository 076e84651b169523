using System.Buffers.Binary;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// View over a UDP datagram (RFC 768), length validated.
/// <code> 0..1 source port   2..3 destination port   4..5 length   6..7 checksum (0 = none, IPv4 only) </code>
/// </summary>
internal readonly ref struct UdpHeader
{
    public const int Size = 8;
    public const int ChecksumOffset = 6;

    private readonly ReadOnlySpan<byte> _datagram;

    private UdpHeader(ReadOnlySpan<byte> datagram) => _datagram = datagram;

    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_datagram);
    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_datagram[2..]);
    public bool HasChecksum => (_datagram[6] | _datagram[7]) != 0;
    public ReadOnlySpan<byte> Payload => _datagram[Size..];
    public ReadOnlySpan<byte> Datagram => _datagram;

    /// <summary>Bytes behind the length field's value are cut off.</summary>
    public static bool TryParse(ReadOnlySpan<byte> datagram, out UdpHeader header)
    {
        header = default;
        if (datagram.Length < Size)
            return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(datagram[4..]);
        if (length < Size || length > datagram.Length)
            return false;
        header = new(datagram[..length]);
        return true;
    }

    /// <summary>Writes a header with checksum 0 and returns its length (8).</summary>
    public static int Write(Span<byte> destination, ushort sourcePort, ushort destinationPort, int payloadLength)
    {
        destination = destination[..Size];
        BinaryPrimitives.WriteUInt16BigEndian(destination, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(destination[4..], (ushort)(Size + payloadLength));
        BinaryPrimitives.WriteUInt16BigEndian(destination[6..], 0);
        return Size;
    }
}
