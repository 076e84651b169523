using System.Buffers.Binary;

namespace Telepresence.Tunnel.Wire;

/// <summary>What stands between the IPv6 header and the transport header.</summary>
/// <param name="Protocol">Number of the transport, or of the first header that is not an extension known here.</param>
/// <param name="TransportOffset">Bytes from the end of the fixed IPv6 header to the transport (or to the fragment's data).</param>
/// <param name="NextHeaderOffset">Where, from the start of the packet, the number <paramref name="Protocol"/> was read (for Parameter Problem).</param>
/// <param name="FragmentOffset">Offset of a fragment in bytes.</param>
/// <param name="MoreFragments">Whether further fragments follow.</param>
/// <param name="Identification">Identification of a fragment.</param>
/// <param name="IsFragment">Whether a Fragment header that really fragments was met (an atomic one is ignored, RFC 6946).</param>
internal readonly record struct IPv6Extensions(
    byte Protocol, int TransportOffset, int NextHeaderOffset, int FragmentOffset, bool MoreFragments, uint Identification, bool IsFragment)
{
    /// <summary>More headers than any honest packet carries (RFC 9098); bounds the work per packet.</summary>
    private const int MaximumHeaders = 8;

    /// <summary>
    /// Walks Hop-by-Hop, Destination Options, Routing, Authentication and Fragment headers (RFC 8200 §4). Stops at a
    /// Fragment header, because what follows it belongs to the reassembled packet.
    /// </summary>
    /// <returns>False when a header reaches past the packet or the chain is longer than anything sensible.</returns>
    public static bool TryWalk(byte nextHeader, ReadOnlySpan<byte> payload, int nextHeaderOffset, out IPv6Extensions result)
    {
        result = default;
        var offset = 0;
        for (var i = 0; i < MaximumHeaders; i++)
        {
            int length;
            switch (nextHeader)
            {
                case IpProtocol.HopByHop or IpProtocol.DestinationOptions or IpProtocol.Routing:
                    if (payload.Length - offset < 8)
                        return false;
                    length = (payload[offset + 1] + 1) * 8;
                    break;
                case IpProtocol.Authentication:
                    if (payload.Length - offset < 8)
                        return false;
                    length = (payload[offset + 1] + 2) * 4;
                    break;
                case IpProtocol.Fragment:
                    if (payload.Length - offset < 8)
                        return false;
                    var field = BinaryPrimitives.ReadUInt16BigEndian(payload[(offset + 2)..]);
                    var more = (field & 1) != 0;
                    var fragmentOffset = field & 0xfff8;
                    if (more || fragmentOffset != 0)
                    {
                        var id = BinaryPrimitives.ReadUInt32BigEndian(payload[(offset + 4)..]);
                        result = new(payload[offset], offset + 8, IPv6Header.Size + offset, fragmentOffset, more, id, true);
                        return true;
                    }
                    length = 8;
                    break;
                default:
                    result = new(nextHeader, offset, nextHeaderOffset, 0, false, 0, false);
                    return true;
            }
            if (length > payload.Length - offset)
                return false;
            nextHeader = payload[offset];
            nextHeaderOffset = IPv6Header.Size + offset;
            offset += length;
        }
        return false;
    }

    /// <summary>Writes a Fragment header (RFC 8200 §4.5) and returns its length (8).</summary>
    public static int WriteFragment(Span<byte> destination, byte nextHeader, int offset, bool more, uint identification)
    {
        destination[0] = nextHeader;
        destination[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)(offset | (more ? 1 : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(destination[4..], identification);
        return 8;
    }
}
