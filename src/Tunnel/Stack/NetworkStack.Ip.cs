using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

// From the frame to the transport: lengths, header checksum, extension headers, fragments, transport checksum.
public sealed partial class NetworkStack
{
    private void ReceiveIPv4(ReadOnlySpan<byte> packet, bool trusted)
    {
        if (!IPv4Header.TryParse(packet, out IPv4Header ip))
        {
            Counters.Malformed++;
            return;
        }
        if (!ip.IsChecksumValid)
        {
            Counters.BadChecksum++;
            return;
        }
        NetAddress source = ip.Source, destination = ip.Destination;
        if (!IsUnicast(source, destination))
            return;
        if (!ip.IsFragment)
        {
            Dispatch(source, destination, ip.Protocol, ip.Payload, trusted, ip.Packet, 0);
            return;
        }
        byte[]? whole = _reassembler.Add(
            source, destination, ip.Identification, ip.Protocol, ip.FragmentOffset, ip.HasMoreFragments, ip.Payload, Now, out int length);
        if (whole is null)
            return;
        Dispatch(source, destination, ip.Protocol, whole.AsSpan(0, length), trusted: false, ip.Packet, 0);
        Reassembler.Return(whole);
    }

    private void ReceiveIPv6(ReadOnlySpan<byte> packet, in VirtioNetHeader header)
    {
        if (!IPv6Header.TryParse(packet, header.IsGso, out IPv6Header ip)
            || !IPv6Extensions.TryWalk(ip.NextHeader, ip.Payload, nextHeaderOffset: 6, out IPv6Extensions extensions))
        {
            Counters.Malformed++;
            return;
        }
        NetAddress source = ip.Source, destination = ip.Destination;
        if (source.IsIPv4 || destination.IsIPv4)
        {
            Counters.Malformed++; // a mapped address on the wire would take over an IPv4 flow
            return;
        }
        if (!IsUnicast(source, destination))
            return;
        ReadOnlySpan<byte> payload = ip.Payload[extensions.TransportOffset..];
        if (!extensions.IsFragment)
        {
            Dispatch(source, destination, extensions.Protocol, payload, header.ChecksumTrusted, ip.Packet, extensions.NextHeaderOffset);
            return;
        }
        byte[]? whole = _reassembler.Add(
            source, destination, extensions.Identification, extensions.Protocol, extensions.FragmentOffset, extensions.MoreFragments, payload,
            Now, out int length);
        if (whole is null)
            return;
        // The fragmentable part may itself begin with extension headers (Destination Options).
        if (IPv6Extensions.TryWalk(extensions.Protocol, whole.AsSpan(0, length), extensions.NextHeaderOffset, out IPv6Extensions inner)
            && !inner.IsFragment)
            Dispatch(source, destination, inner.Protocol, whole.AsSpan(inner.TransportOffset, length - inner.TransportOffset), false, ip.Packet, extensions.NextHeaderOffset);
        else
            Counters.Malformed++;
        Reassembler.Return(whole);
    }

    private bool IsUnicast(in NetAddress source, in NetAddress destination)
    {
        if (destination.IsMulticastOrBroadcast)
        {
            Counters.Ignored++; // router solicitations, mDNS, IGMP: never part of a flow
            return false;
        }
        if (source.IsMulticastOrBroadcast || source.IsUnspecified || destination.IsUnspecified || source == destination)
        {
            Counters.Malformed++;
            return false;
        }
        return true;
    }

    /// <param name="source">Who sent it.</param>
    /// <param name="destination">To whom.</param>
    /// <param name="protocol">Transport protocol.</param>
    /// <param name="transport">The transport header and what follows.</param>
    /// <param name="trusted">Whether the device vouches for the transport checksum.</param>
    /// <param name="packet">The packet (or its last fragment), for quoting in an error.</param>
    /// <param name="nextHeaderOffset">Where an IPv6 packet names the protocol.</param>
    private void Dispatch(
        in NetAddress source, in NetAddress destination, byte protocol, ReadOnlySpan<byte> transport, bool trusted, ReadOnlySpan<byte> packet,
        int nextHeaderOffset)
    {
        switch (protocol)
        {
            case IpProtocol.Tcp:
                ReceiveTcp(source, destination, transport, trusted);
                break;
            case IpProtocol.Udp:
                ReceiveUdp(source, destination, transport, trusted);
                break;
            case IpProtocol.Icmp when source.IsIPv4:
            case IpProtocol.IcmpV6 when !source.IsIPv4:
                ReceiveIcmp(source, destination, transport);
                break;
            case IpProtocol.NoNextHeader when !source.IsIPv4:
                Counters.Ignored++;
                break;
            default:
                Counters.Unsupported++;
                RefuseProtocol(source, destination, packet, nextHeaderOffset);
                break;
        }
    }

    private static bool IsChecksumValid(in NetAddress source, in NetAddress destination, byte protocol, ReadOnlySpan<byte> transport) =>
        Checksum.IsValid(Checksum.Add(Checksum.PseudoHeader(source, destination, protocol, transport.Length), transport));
}
