using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// View over an IPv4 packet (RFC 791 §3.1) whose lengths have been validated: accessors cannot fail.
/// <code>
///  0  version, IHL   1  TOS        2..3  total length
///  4..5  identification            6..7  flags (DF 0x4000, MF 0x2000), fragment offset / 8
///  8  TTL            9  protocol   10..11  header checksum
/// 12..15  source                  16..19  destination     20..  options
/// </code>
/// </summary>
internal readonly ref struct IPv4Header
{
    public const int MinimumSize = 20;
    public const ushort DontFragment = 0x4000;
    public const ushort MoreFragments = 0x2000;

    private readonly ReadOnlySpan<byte> _packet;

    private IPv4Header(ReadOnlySpan<byte> packet) => _packet = packet;

    public int HeaderLength => (_packet[0] & 0x0f) * 4;
    public int TotalLength => _packet.Length;
    public ushort Identification => BinaryPrimitives.ReadUInt16BigEndian(_packet[4..]);
    public bool HasMoreFragments => (_packet[6] & 0x20) != 0;
    public int FragmentOffset => (BinaryPrimitives.ReadUInt16BigEndian(_packet[6..]) & 0x1fff) * 8;
    public bool IsFragment => HasMoreFragments || FragmentOffset != 0;
    public byte TimeToLive => _packet[8];
    public byte Protocol => _packet[9];
    public NetAddress Source => NetAddress.FromIPv4(BinaryPrimitives.ReadUInt32BigEndian(_packet[12..]));
    public NetAddress Destination => NetAddress.FromIPv4(BinaryPrimitives.ReadUInt32BigEndian(_packet[16..]));
    public bool IsChecksumValid => Checksum.IsValid(Checksum.Add(0, _packet[..HeaderLength]));
    public ReadOnlySpan<byte> Payload => _packet[HeaderLength..];
    /// <summary>The packet without link padding.</summary>
    public ReadOnlySpan<byte> Packet => _packet;

    /// <summary>Validates version, header length and total length once; bytes behind the total length are cut off.</summary>
    public static bool TryParse(ReadOnlySpan<byte> packet, out IPv4Header header)
    {
        header = default;
        if (packet.Length < MinimumSize || packet[0] >> 4 != 4)
            return false;
        var headerLength = (packet[0] & 0x0f) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        if (headerLength < MinimumSize || total < headerLength || total > packet.Length)
            return false;
        header = new(packet[..total]);
        return true;
    }

    /// <summary>Writes a header without options, with its checksum, and returns its length (20).</summary>
    /// <remarks>The fragment argument is the field of flags and offset, host order.</remarks>
    public static int Write(
        Span<byte> destination, uint source, uint target, byte protocol, int payloadLength, ushort identification = 0,
        ushort fragment = DontFragment, byte timeToLive = 64)
    {
        destination = destination[..MinimumSize];
        destination[0] = 0x45;
        destination[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)(MinimumSize + payloadLength));
        BinaryPrimitives.WriteUInt16BigEndian(destination[4..], identification);
        BinaryPrimitives.WriteUInt16BigEndian(destination[6..], fragment);
        destination[8] = timeToLive;
        destination[9] = protocol;
        destination[10] = destination[11] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(destination[12..], source);
        BinaryPrimitives.WriteUInt32BigEndian(destination[16..], target);
        MemoryMarshal.Write(destination[10..], Checksum.Finish(Checksum.Add(0, destination)));
        return MinimumSize;
    }
}
