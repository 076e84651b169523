using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// The 10-byte <c>struct virtio_net_hdr</c> (virtio 1.2 §5.1.6, legacy form: the machine's own byte order) that
/// stands before every packet of a TUN device with IFF_VNET_HDR.
/// <code>
///  0      flags        1 = checksum still to be computed, 2 = checksum known good
///  1      gso_type     0 none, 1 TCPv4, 4 TCPv6, 0x80 = ECN bit on top
///  2..3   hdr_len      bytes of headers in front of the payload
///  4..5   gso_size     payload bytes per segment when the packet is cut up
///  6..7   csum_start   where summing begins
///  8..9   csum_offset  where, from there, the checksum is stored
/// </code>
/// </summary>
/// <param name="Flags">See above.</param>
/// <param name="GsoType">See above.</param>
/// <param name="HeaderLength">Bytes of headers.</param>
/// <param name="GsoSize">Payload bytes per segment.</param>
/// <param name="ChecksumStart">Offset from the start of the IP packet.</param>
/// <param name="ChecksumOffset">Offset from <paramref name="ChecksumStart"/>.</param>
internal readonly record struct VirtioNetHeader(
    byte Flags, byte GsoType, ushort HeaderLength, ushort GsoSize, ushort ChecksumStart, ushort ChecksumOffset)
{
    public const int Size = 10;
    public const byte NeedsChecksum = 1;
    public const byte DataValid = 2;
    public const byte GsoTcpV4 = 1;
    public const byte GsoTcpV6 = 4;

    /// <summary>The sender left the transport checksum to hardware, or hardware has checked it: nothing to verify.</summary>
    public bool ChecksumTrusted => (Flags & (NeedsChecksum | DataValid)) != 0;

    public bool IsGso => GsoType != 0;

    public static bool TryRead(ReadOnlySpan<byte> bytes, out VirtioNetHeader header)
    {
        if (bytes.Length < Size)
        {
            header = default;
            return false;
        }
        header = new(bytes[0], bytes[1], U16(bytes[2..]), U16(bytes[4..]), U16(bytes[6..]), U16(bytes[8..]));
        return true;
    }

    public void Write(Span<byte> destination)
    {
        destination = destination[..Size];
        destination[0] = Flags;
        destination[1] = GsoType;
        MemoryMarshal.Write(destination[2..], HeaderLength);
        MemoryMarshal.Write(destination[4..], GsoSize);
        MemoryMarshal.Write(destination[6..], ChecksumStart);
        MemoryMarshal.Write(destination[8..], ChecksumOffset);
    }

    private static ushort U16(ReadOnlySpan<byte> bytes) => Unsafe.ReadUnaligned<ushort>(ref MemoryMarshal.GetReference(bytes));
}
