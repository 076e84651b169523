using System.Buffers.Binary;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// View over an IPv6 packet (RFC 8200 §3) whose lengths have been validated.
/// <code>
///  0..3  version, traffic class, flow label   4..5  payload length   6  next header   7  hop limit
///  8..23 source                              24..39 destination     40.. extension headers, then the payload
/// </code>
/// </summary>
internal readonly ref struct IPv6Header
{
    public const int Size = 40;

    private readonly ReadOnlySpan<byte> _packet;

    private IPv6Header(ReadOnlySpan<byte> packet) => _packet = packet;

    public byte NextHeader => _packet[6];
    public byte HopLimit => _packet[7];
    public NetAddress Source => NetAddress.FromBytes(_packet.Slice(8, 16));
    public NetAddress Destination => NetAddress.FromBytes(_packet.Slice(24, 16));
    public ReadOnlySpan<byte> Payload => _packet[Size..];
    /// <summary>The packet without link padding.</summary>
    public ReadOnlySpan<byte> Packet => _packet;

    /// <summary>
    /// Validates version and payload length once. A length of 0 is a jumbo packet (a segmentation-offload
    /// super-packet above 64 KiB) and then taken from the frame when <paramref name="lengthFromFrame"/> allows it.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> packet, bool lengthFromFrame, out IPv6Header header)
    {
        header = default;
        if (packet.Length < Size || packet[0] >> 4 != 6)
            return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (length == 0 && lengthFromFrame)
            length = packet.Length - Size;
        if (length > packet.Length - Size)
            return false;
        header = new(packet[..(Size + length)]);
        return true;
    }

    /// <summary>Writes a header and returns its length (40).</summary>
    public static int Write(
        Span<byte> destination, in NetAddress source, in NetAddress target, byte nextHeader, int payloadLength, byte hopLimit = 64)
    {
        destination = destination[..Size];
        BinaryPrimitives.WriteUInt32BigEndian(destination, 0x6000_0000);
        BinaryPrimitives.WriteUInt16BigEndian(destination[4..], (ushort)payloadLength);
        destination[6] = nextHeader;
        destination[7] = hopLimit;
        source.CopyTo(destination[8..]);
        target.CopyTo(destination[24..]);
        return Size;
    }
}
