using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>UDP, echo, fragments and what is refused, packet by packet.</summary>
public class DatagramTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_datagram_and_its_answer_keep_addresses_and_bytes(bool v6)
    {
        var h = new SegmentHarness(v6: v6);
        h.Stack.Receive(PacketBuilder.Udp(h.Source, 5_000, h.Destination, 53, "query"u8), 1);
        Assert.Equal([$"datagram {new FlowKey(h.Source, 5_000, h.Destination, 53)} 5"], h.Events);
        h.Stack.SendDatagram(new FlowKey(h.Source, 5_000, h.Destination, 53), "answer"u8, 2);
        ReadOnlySpan<byte> packet = Assert.Single(h.Frames).AsSpan(10);
        Assert.True(UdpHeader.TryParse(packet[(v6 ? 40 : 20)..], out UdpHeader udp));
        Assert.Equal((53, 5_000, "answer"), (udp.SourcePort, udp.DestinationPort, System.Text.Encoding.ASCII.GetString(udp.Payload)));
    }

    [Fact]
    public void A_wrong_checksum_is_dropped_and_counted_unless_the_device_vouches_for_it()
    {
        var h = new SegmentHarness();
        byte[] frame = PacketBuilder.Udp(h.Source, 5_000, h.Destination, 53, "query"u8);
        frame[^1] ^= 1;
        h.Stack.Receive(frame, 1);
        Assert.Equal((0, 1), (h.Events.Count, h.Stack.Counters.BadChecksum));
        frame[0] = VirtioNetHeader.NeedsChecksum;
        h.Stack.Receive(frame, 2);
        frame[0] = VirtioNetHeader.DataValid;
        h.Stack.Receive(frame, 2);
        Assert.Equal((2, 1), (h.Events.Count, h.Stack.Counters.BadChecksum));
    }

    [Fact]
    public void No_checksum_is_allowed_over_IPv4_only()
    {
        foreach (bool v6 in new[] { false, true })
        {
            var h = new SegmentHarness(v6: v6);
            byte[] frame = PacketBuilder.Udp(h.Source, 5_000, h.Destination, 53, "query"u8);
            frame.AsSpan(10 + (v6 ? 40 : 20) + 6, 2).Clear();
            h.Stack.Receive(frame, 1);
            Assert.Equal(v6 ? 0 : 1, h.Events.Count);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Fragments_in_any_order_become_one_datagram(bool v6)
    {
        var random = new Random(3);
        for (int round = 0; round < 50; round++)
        {
            var h = new SegmentHarness(v6: v6);
            byte[] payload = new byte[random.Next(100, 65_000)];
            random.NextBytes(payload);
            List<byte[]> fragments = PacketBuilder.Fragment(
                PacketBuilder.Udp(h.Source, 5_000, h.Destination, 53, payload), random.Next(8, 180) * 8, (uint)round);
            byte[][] order = [.. fragments, fragments[0], .. fragments.Count > 3 ? fragments.GetRange(1, 2) : []];
            random.Shuffle(order);
            foreach (byte[] fragment in order)
                h.Stack.Receive(fragment, 1);
            Assert.Equal($"datagram {new FlowKey(h.Source, 5_000, h.Destination, 53)} {payload.Length}", h.Events[0]);
            Assert.Equal(1, h.Stack.Counters.Reassembled);
        }
    }

    [Fact]
    public void Overlapping_fragments_end_the_datagram()
    {
        var h = new SegmentHarness();
        byte[] frame = PacketBuilder.Udp(h.Source, 5_000, h.Destination, 53, new byte[3_000]);
        List<byte[]> even = PacketBuilder.Fragment(frame, 800, 1);
        List<byte[]> odd = PacketBuilder.Fragment(frame, 1_200, 1);
        h.Stack.Receive(even[0], 1);
        h.Stack.Receive(odd[0], 1);
        Assert.Equal((0, 1), (h.Events.Count, h.Stack.Counters.ReassemblyFailures));
    }

    [Fact]
    public void A_last_fragment_that_lies_before_another_one_ends_the_datagram()
    {
        var counters = new StackCounters();
        var reassembler = new Reassembler(4, 1_000, counters);
        NetAddress a = NetAddress.Parse("10.77.0.1"), b = NetAddress.Parse("10.77.0.80");
        Assert.Null(reassembler.Add(a, b, 1, IpProtocol.Udp, 16, more: true, new byte[8], 0, out _));
        Assert.Null(reassembler.Add(a, b, 1, IpProtocol.Udp, 8, more: false, new byte[8], 0, out _));
        Assert.Equal((0, 1), (reassembler.Count, (int)counters.ReassemblyFailures));
    }

    [Fact]
    public void Fragments_are_bounded_in_number_and_time()
    {
        var h = new SegmentHarness(new StackOptions { Mtu = 1_500, MaxReassemblies = 4 });
        byte[] frame = PacketBuilder.Udp(h.Source, 5_000, h.Destination, 53, new byte[3_000]);
        for (uint id = 0; id < 10; id++)
            h.Stack.Receive(PacketBuilder.Fragment(frame, 800, id)[0], 1);
        Assert.Equal(6, h.Stack.Counters.ReassemblyFailures);
        Assert.Equal(15_000_001, h.Stack.NextDeadline);
        h.Stack.Poll(15_000_001);
        Assert.Equal((10L, long.MaxValue), (h.Stack.Counters.ReassemblyFailures, h.Stack.NextDeadline));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_echo_is_answered_with_what_it_carried(bool v6)
    {
        var h = new SegmentHarness(v6: v6);
        h.Stack.Receive(PacketBuilder.Echo(h.Source, h.Destination, 7, 9, "payload"u8), 1);
        Assert.Equal(["echo 7 9 7"], h.Events);
        h.Stack.ReplyEcho(new EchoRequest(h.Source, h.Destination, 7, 9, "payload"u8), 2);
        ReadOnlySpan<byte> message = Assert.Single(h.Frames).AsSpan(10 + (v6 ? 40 : 20));
        Assert.True(IcmpHeader.TryParse(message, out IcmpHeader icmp));
        Assert.Equal((v6 ? 129 : 0, 7, 9, "payload"), (icmp.Type, icmp.Identifier, icmp.Sequence, System.Text.Encoding.ASCII.GetString(icmp.Data)));
        ulong sum = v6 ? Checksum.PseudoHeader(h.Destination, h.Source, IpProtocol.IcmpV6, message.Length) : 0;
        Assert.True(Checksum.IsValid(Checksum.Add(sum, message)));
    }

    [Fact]
    public void Refusals_of_other_protocols_are_rate_limited()
    {
        var h = new SegmentHarness();
        byte[] frame = PacketBuilder.Ip(h.Source, h.Destination, 132, new byte[40], -1);
        for (int i = 0; i < 1_000; i++)
            h.Stack.Receive(frame, 1);
        Assert.Equal((1_000L, 100L), (h.Stack.Counters.Unsupported, h.Stack.Counters.UnreachablesOut));
        h.Stack.Receive(frame, 1_000_001);
        Assert.Equal(101, h.Stack.Counters.UnreachablesOut);
    }

    [Theory]
    [InlineData("10.77.0.1", "224.0.0.251")]
    [InlineData("10.77.0.1", "255.255.255.255")]
    [InlineData("fd77::1", "ff02::2")]
    [InlineData("0.0.0.0", "10.77.0.80")]
    [InlineData("224.0.0.1", "10.77.0.80")]
    [InlineData("10.77.0.80", "10.77.0.80")]
    public void Packets_that_cannot_be_a_flow_are_not(string source, string destination)
    {
        var h = new SegmentHarness();
        h.Stack.Receive(PacketBuilder.Udp(NetAddress.Parse(source), 5_000, NetAddress.Parse(destination), 53, "x"u8), 1);
        Assert.Empty(h.Events);
        Assert.Equal(1, h.Stack.Counters.Ignored + h.Stack.Counters.Malformed);
    }

    [Fact]
    public void A_datagram_that_fits_in_no_packet_is_dropped_and_counted()
    {
        var h = new SegmentHarness();
        h.Stack.SendDatagram(new FlowKey(h.Source, 1, h.Destination, 2), new byte[65_508], 1);
        Assert.Equal((0, 1L), (h.Frames.Count, h.Stack.Counters.DatagramsDropped));
    }
}
