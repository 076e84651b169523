using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;
using static Telepresence.Tunnel.Tests.Stack.SegmentHarness;

namespace Telepresence.Tunnel.Tests.Stack;

public class HandshakeTests
{
    [Fact]
    public void Answers_a_SYN_only_when_the_far_side_has_connected()
    {
        var h = new SegmentHarness { AutoAccept = false };
        h.In(0, S, -1, 0, options: UsualOptions);
        h.ExpectNothing();
        Assert.Equal(TcpState.Dialing, h.Connection!.State);
        h.Connection.Accept(5_000);
        SentSegment synAck = h.Expect(SA, seq: -1, ack: 0);
        Assert.Equal((1_460, true), (synAck.Mss, synAck.SackPermitted));
        Assert.True(65_535 << synAck.Shift >= 512 * 1024);
        h.ExpectNothing();
        Assert.Equal(TcpState.SynReceived, h.Connection.State);
        h.In(5_100, A, 0, 0);
        h.ExpectNothing();
        Assert.Equal(TcpState.Established, h.Connection.State);
    }

    [Fact]
    public void A_SYN_sent_again_while_dialing_opens_no_second_flow()
    {
        var h = new SegmentHarness { AutoAccept = false };
        for (int i = 0; i < 4; i++)
            h.In(i * 1_000_000, S, -1, 0, options: UsualOptions);
        h.ExpectNothing();
        Assert.Equal(["open"], h.Events);
        Assert.Equal(1, h.Stack.ConnectionCount);
    }

    [Fact]
    public void A_new_attempt_from_the_same_port_replaces_the_one_still_dialing()
    {
        var h = new SegmentHarness { AutoAccept = false };
        h.In(0, S, -1, 0, options: UsualOptions);
        h.In(10, S, 5_000, 0, options: UsualOptions);
        Assert.Equal(["open", "reset", "open"], h.Events);
        Assert.Equal(1, h.Stack.ConnectionCount);
    }

    [Fact]
    public void Options_that_the_peer_does_not_offer_are_not_used()
    {
        var h = new SegmentHarness();
        h.In(0, S, -1, 0, options: []);
        SentSegment synAck = h.Expect(SA);
        Assert.Equal((-1, false), (synAck.Shift, synAck.SackPermitted));
        h.In(0, A, 0, 0, window: 60_000);
        Assert.Equal(536, h.Connection!.MaximumSegmentSize);
    }

    [Theory]
    [InlineData(RefusalReason.HostUnreachable, 1)]
    [InlineData(RefusalReason.NetUnreachable, 0)]
    [InlineData(RefusalReason.AdminProhibited, 13)]
    public void Refusing_an_unreachable_host_sends_ICMP_that_quotes_the_SYN(RefusalReason reason, byte code)
    {
        var h = new SegmentHarness { AutoAccept = false };
        h.In(0, S, -1, 0, options: UsualOptions);
        h.Connection!.Refuse(reason, 1);
        h.ExpectNothing();
        byte[] frame = Assert.Single(h.Frames);
        Assert.True(IPv4Header.TryParse(frame.AsSpan(10), out IPv4Header ip));
        Assert.Equal(IpProtocol.Icmp, ip.Protocol);
        Assert.True(IcmpHeader.TryParse(ip.Payload, out IcmpHeader icmp));
        Assert.Equal((IcmpHeader.UnreachableV4, code), (icmp.Type, icmp.Code));
        Assert.True(Checksum.IsValid(Checksum.Add(0, ip.Payload)));
        Assert.True(TcpHeader.TryParse(icmp.Data[20..], out TcpHeader quoted));
        Assert.Equal((40_000, 80, PeerInitial), (quoted.SourcePort, quoted.DestinationPort, quoted.Sequence));
        Assert.Equal(0, h.Stack.ConnectionCount);
    }

    [Fact]
    public void Refused_is_a_reset_and_timeout_is_silence()
    {
        var h = new SegmentHarness { AutoAccept = false };
        h.In(0, S, -1, 0);
        h.Connection!.Refuse(RefusalReason.Refused, 1);
        Assert.Equal(0, h.Expect(RA).Ack);
        h.In(2, S, -1, 0);
        h.Connection.Refuse(RefusalReason.Timeout, 3);
        h.ExpectNothing();
        Assert.Equal(0, h.Stack.ConnectionCount);
        Assert.Equal(["open", "open"], h.Events);
    }

    [Fact]
    public void The_SYN_ACK_is_sent_again_with_back_off_and_the_peer_is_given_up()
    {
        var h = new SegmentHarness();
        h.In(0, S, -1, 0, options: UsualOptions);
        h.Expect(SA, seq: -1);
        foreach (long due in new[] { 1, 3, 7, 15, 25, 35 })
        {
            h.At(due * 1_000_000 - 1);
            h.ExpectNothing();
            h.At(due * 1_000_000);
            h.Expect(SA, seq: -1, ack: 0);
        }
        h.At(45_000_000);
        h.Expect(RA);
        Assert.Equal(["open", "reset"], h.Events);
        Assert.Equal(long.MaxValue, h.Stack.NextDeadline);
    }

    [Fact]
    public void A_far_side_that_is_dialed_forever_is_forgotten_in_silence()
    {
        var h = new SegmentHarness { AutoAccept = false };
        h.In(0, S, -1, 0);
        h.At(130_000_000 - 1);
        Assert.Equal(1, h.Stack.ConnectionCount);
        h.At(130_000_000);
        h.ExpectNothing();
        Assert.Equal(["open", "reset"], h.Events);
    }

    [Fact]
    public void A_flood_of_SYNs_is_bounded()
    {
        var h = new SegmentHarness(new StackOptions { Mtu = 1_500, MaxHalfOpen = 10 }) { AutoAccept = false };
        for (ushort port = 1_000; port < 1_100; port++)
        {
            h.SourcePort = port;
            h.In(0, S, -1, 0);
        }
        Assert.Equal(10, h.Stack.ConnectionCount);
        Assert.Equal(90, h.Stack.Counters.SynsDropped);
    }

    [Fact]
    public void Data_queued_before_the_handshake_follows_it()
    {
        var h = new SegmentHarness { AutoAccept = false };
        h.In(0, S, -1, 0, options: UsualOptions);
        h.Connection!.Send("220 ready"u8, 1);
        h.Connection.SendEnd(1);
        h.Connection.Accept(1);
        h.Stack.Flush(1);
        h.Expect(SA);
        h.ExpectNothing();
        h.In(2, A, 0, 0);
        h.Expect(FA, seq: 0, ack: 0, data: "220 ready");
    }

    [Fact]
    public void A_wrong_acknowledgment_of_the_SYN_ACK_is_reset()
    {
        var h = new SegmentHarness();
        h.In(0, S, -1, 0, options: UsualOptions);
        h.Expect(SA);
        h.In(1, A, 0, 77);
        h.Expect(R, seq: 77);
        Assert.Equal(TcpState.SynReceived, h.Connection!.State);
    }
}
