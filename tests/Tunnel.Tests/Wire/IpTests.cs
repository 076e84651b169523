using System.Net;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Wire;

public class IpTests
{
    [Fact]
    public void A_known_IPv4_packet_is_read_field_by_field()
    {
        // UDP 10.0.0.1:1 -> 10.0.0.2:2, id 0x1234, DF, ttl 63, two bytes of link padding.
        byte[] packet = Convert.FromHexString("4500001e123440003f111599" + "0a0000010a000002" + "00010002000a0000abcd" + "0000");
        Assert.True(IPv4Header.TryParse(packet, out IPv4Header ip));
        Assert.True(ip.IsChecksumValid);
        Assert.Equal((20, 30, 0x1234, 63, 17), (ip.HeaderLength, ip.TotalLength, ip.Identification, ip.TimeToLive, ip.Protocol));
        Assert.Equal(("10.0.0.1", "10.0.0.2"), (ip.Source.ToString(), ip.Destination.ToString()));
        Assert.False(ip.IsFragment);
        Assert.Equal(10, ip.Payload.Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("45")]
    [InlineData("6500001400004000401100000a0000010a000002")] // version 6
    [InlineData("4400001400004000401100000a0000010a000002")] // header of 16 bytes
    [InlineData("4f00001400004000401100000a0000010a000002")] // header longer than the packet
    [InlineData("4500001300004000401100000a0000010a000002")] // total shorter than the header
    [InlineData("4500001500004000401100000a0000010a000002")] // total longer than what came
    public void Impossible_IPv4_lengths_are_refused(string hex) => Assert.False(IPv4Header.TryParse(Convert.FromHexString(hex), out _));

    [Fact]
    public void What_is_written_as_IPv4_reads_back()
    {
        byte[] packet = new byte[120];
        int length = IPv4Header.Write(packet, 0x0a4d0001, 0xc0a80102, 6, 100, 0xbeef, (ushort)(IPv4Header.MoreFragments | 185), 3);
        Assert.Equal(20, length);
        Assert.True(IPv4Header.TryParse(packet, out IPv4Header ip));
        Assert.True(ip.IsChecksumValid);
        Assert.Equal((0xbeef, true, 1_480, 3, 6), (ip.Identification, ip.HasMoreFragments, ip.FragmentOffset, ip.TimeToLive, ip.Protocol));
        Assert.Equal(("10.77.0.1", "192.168.1.2"), (ip.Source.ToString(), ip.Destination.ToString()));
    }

    [Fact]
    public void What_is_written_as_IPv6_reads_back()
    {
        byte[] packet = new byte[100];
        NetAddress source = NetAddress.Parse("fd00::1"), destination = NetAddress.Parse("2001:db8::2:3");
        Assert.Equal(40, IPv6Header.Write(packet, source, destination, 17, 60, 9));
        Assert.True(IPv6Header.TryParse(packet, false, out IPv6Header ip));
        Assert.Equal((source, destination, 17, 9, 60), (ip.Source, ip.Destination, ip.NextHeader, ip.HopLimit, ip.Payload.Length));
        Assert.Equal("6000", Convert.ToHexString(packet[..2]));
    }

    [Fact]
    public void An_IPv6_length_of_zero_is_taken_from_the_frame_only_for_super_packets()
    {
        byte[] packet = new byte[80_000];
        IPv6Header.Write(packet, NetAddress.Parse("::1"), NetAddress.Parse("::2"), 6, 0);
        Assert.True(IPv6Header.TryParse(packet, lengthFromFrame: false, out IPv6Header empty));
        Assert.Equal(0, empty.Payload.Length);
        Assert.True(IPv6Header.TryParse(packet, lengthFromFrame: true, out IPv6Header jumbo));
        Assert.Equal(80_000 - 40, jumbo.Payload.Length);
        packet[4] = 0xff;
        packet[5] = 0xff;
        Assert.False(IPv6Header.TryParse(packet.AsSpan(0, 65_000), false, out _));
    }

    [Fact]
    public void Extension_headers_are_walked_to_the_transport()
    {
        byte[] payload =
        [
            60, 0, 1, 4, 0, 0, 0, 0, // hop-by-hop, next: destination options
            43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // destination options, 16 bytes, next: routing
            51, 0, 0, 0, 0, 0, 0, 0, // routing, next: authentication
            44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // authentication, 12 bytes, next: fragment
            17, 0, 0, 0, 0, 0, 0, 9, // an atomic fragment, next: UDP
            0, 1, 0, 2,
        ];
        Assert.True(IPv6Extensions.TryWalk(0, payload, 6, out IPv6Extensions result));
        Assert.Equal((17, 52, 40 + 44, false), (result.Protocol, result.TransportOffset, result.NextHeaderOffset, result.IsFragment));
    }

    [Fact]
    public void A_fragment_header_stops_the_walk()
    {
        byte[] payload = new byte[20];
        IPv6Extensions.WriteFragment(payload, 6, 1_448, true, 0xdeadbeef);
        Assert.True(IPv6Extensions.TryWalk(44, payload, 6, out IPv6Extensions result));
        Assert.Equal(new IPv6Extensions(6, 8, 40, 1_448, true, 0xdeadbeef, true), result);
    }

    [Fact]
    public void Cut_or_endless_extension_chains_are_refused()
    {
        Assert.False(IPv6Extensions.TryWalk(0, new byte[7], 6, out _));
        Assert.False(IPv6Extensions.TryWalk(60, [17, 9, 0, 0, 0, 0, 0, 0], 6, out _));
        Assert.False(IPv6Extensions.TryWalk(44, new byte[4], 6, out _));
        byte[] endless = new byte[8 * 20];
        for (int i = 0; i < endless.Length; i += 8)
            endless[i] = 60;
        Assert.False(IPv6Extensions.TryWalk(60, endless, 6, out _));
    }

    [Theory]
    [InlineData("10.1.2.3", true, false)]
    [InlineData("255.255.255.255", true, true)]
    [InlineData("224.0.0.251", true, true)]
    [InlineData("240.0.0.1", true, false)]
    [InlineData("fd00::1", false, false)]
    [InlineData("ff02::2", false, true)]
    public void Addresses_keep_their_version_and_text(string text, bool v4, bool multicast)
    {
        NetAddress address = NetAddress.Parse(text);
        Assert.Equal((v4, multicast, text), (address.IsIPv4, address.IsMulticastOrBroadcast, address.ToString()));
        Assert.Equal(IPAddress.Parse(text), address.ToIPAddress());
        Assert.Equal(address, NetAddress.FromIPAddress(IPAddress.Parse(text)));
    }
}
