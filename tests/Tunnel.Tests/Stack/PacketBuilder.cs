using System.Runtime.InteropServices;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>Builds whole frames (virtio-net header, IP, transport) with right checksums, as a device without offload would deliver them.</summary>
internal static class PacketBuilder
{
    public static byte[] Tcp(
        NetAddress source, ushort sourcePort, NetAddress destination, ushort destinationPort, uint sequence, uint acknowledgment, TcpFlags flags,
        int window, ReadOnlySpan<byte> options, ReadOnlySpan<byte> payload)
    {
        byte[] segment = new byte[TcpHeader.MinimumSize + options.Length + payload.Length];
        TcpHeader.Write(segment, sourcePort, destinationPort, sequence, acknowledgment, flags, (ushort)window, options.Length);
        options.CopyTo(segment.AsSpan(TcpHeader.MinimumSize));
        payload.CopyTo(segment.AsSpan(TcpHeader.MinimumSize + options.Length));
        return Ip(source, destination, IpProtocol.Tcp, segment, TcpHeader.ChecksumOffset);
    }

    public static byte[] Udp(NetAddress source, ushort sourcePort, NetAddress destination, ushort destinationPort, ReadOnlySpan<byte> payload)
    {
        byte[] datagram = new byte[UdpHeader.Size + payload.Length];
        UdpHeader.Write(datagram, sourcePort, destinationPort, payload.Length);
        payload.CopyTo(datagram.AsSpan(UdpHeader.Size));
        return Ip(source, destination, IpProtocol.Udp, datagram, UdpHeader.ChecksumOffset);
    }

    public static byte[] Echo(NetAddress source, NetAddress destination, ushort id, ushort sequence, ReadOnlySpan<byte> payload)
    {
        byte[] message = new byte[IcmpHeader.Size + payload.Length];
        IcmpHeader.Write(message, source.IsIPv4 ? IcmpHeader.EchoRequestV4 : IcmpHeader.EchoRequestV6, 0, (uint)id << 16 | sequence);
        payload.CopyTo(message.AsSpan(IcmpHeader.Size));
        return Ip(source, destination, source.IsIPv4 ? IpProtocol.Icmp : IpProtocol.IcmpV6, message, IcmpHeader.ChecksumOffset);
    }

    /// <summary>A packet around a transport message, whose checksum is filled in when <paramref name="checksumOffset"/> is not negative.</summary>
    public static byte[] Ip(NetAddress source, NetAddress destination, byte protocol, byte[] transport, int checksumOffset)
    {
        if (checksumOffset >= 0)
        {
            ulong sum = protocol == IpProtocol.Icmp ? 0 : Checksum.PseudoHeader(source, destination, protocol, transport.Length);
            MemoryMarshal.Write(transport.AsSpan(checksumOffset), Checksum.Finish(Checksum.Add(sum, transport)));
        }
        int headers = source.IsIPv4 ? IPv4Header.MinimumSize : IPv6Header.Size;
        byte[] frame = new byte[VirtioNetHeader.Size + headers + transport.Length];
        Span<byte> ip = frame.AsSpan(VirtioNetHeader.Size);
        if (source.IsIPv4)
            IPv4Header.Write(ip, source.IPv4, destination.IPv4, protocol, transport.Length);
        else
            IPv6Header.Write(ip, source, destination, protocol, transport.Length);
        transport.CopyTo(ip[headers..]);
        return frame;
    }

    /// <summary>Cuts an IPv4 or IPv6 frame's payload into fragments of at most <paramref name="size"/> bytes (a multiple of 8).</summary>
    public static List<byte[]> Fragment(byte[] frame, int size, uint identification)
    {
        ReadOnlySpan<byte> packet = frame.AsSpan(VirtioNetHeader.Size);
        bool v4 = packet[0] >> 4 == 4;
        int headers = v4 ? IPv4Header.MinimumSize : IPv6Header.Size;
        byte protocol = packet[v4 ? 9 : 6];
        NetAddress source = NetAddress.FromBytes(v4 ? packet.Slice(12, 4) : packet.Slice(8, 16));
        NetAddress destination = NetAddress.FromBytes(v4 ? packet.Slice(16, 4) : packet.Slice(24, 16));
        ReadOnlySpan<byte> payload = packet[headers..];
        List<byte[]> fragments = [];
        for (int offset = 0; offset < payload.Length; offset += size)
        {
            ReadOnlySpan<byte> piece = payload.Slice(offset, Math.Min(size, payload.Length - offset));
            bool more = offset + piece.Length < payload.Length;
            int extra = v4 ? 0 : 8;
            byte[] fragment = new byte[VirtioNetHeader.Size + headers + extra + piece.Length];
            Span<byte> ip = fragment.AsSpan(VirtioNetHeader.Size);
            if (v4)
            {
                IPv4Header.Write(
                    ip, source.IPv4, destination.IPv4, protocol, piece.Length, (ushort)identification,
                    (ushort)(offset / 8 | (more ? IPv4Header.MoreFragments : 0)));
            }
            else
            {
                IPv6Header.Write(ip, source, destination, IpProtocol.Fragment, 8 + piece.Length);
                IPv6Extensions.WriteFragment(ip[headers..], protocol, offset, more, identification);
            }
            piece.CopyTo(ip[(headers + extra)..]);
            fragments.Add(fragment);
        }
        return fragments;
    }
}
