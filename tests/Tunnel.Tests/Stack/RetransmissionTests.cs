using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;
using static Telepresence.Tunnel.Tests.Stack.SegmentHarness;

namespace Telepresence.Tunnel.Tests.Stack;

public class RetransmissionTests
{
    private const long Ms = 1_000;

    // The handshake above measured 0 µs, so the time-out is at its lower bound of 200 ms.
    [Fact]
    public void Retransmits_when_the_timer_expires_and_backs_off()
    {
        var h = Established();
        h.Write(0, "lost");
        h.Expect(A, seq: 0, data: "lost");
        foreach (int due in new[] { 200, 600, 1_400, 3_000 })
        {
            h.At(due * Ms - 1);
            h.ExpectNothing();
            h.At(due * Ms);
            h.Expect(A, seq: 0, data: "lost");
            h.ExpectNothing();
        }
        Assert.Equal(4, h.Stack.Counters.RetransmissionTimeouts);
        h.In(3_001 * Ms, A, 0, 4);
        Assert.Equal(4, h.Acknowledged);
        Assert.True(h.Stack.NextDeadline >= 100_000 * Ms || h.Stack.NextDeadline <= 7_000 * Ms);
        h.At(10_000 * Ms);
        h.ExpectNothing();
    }

    [Fact]
    public void After_a_time_out_one_segment_goes_and_its_acknowledgment_releases_more()
    {
        var h = Established(new StackOptions { Mtu = 1_500, Offload = false });
        h.Write(0, new string('a', 1_460 * 8));
        Assert.Equal(8, h.TakeAll().Count);
        h.At(200 * Ms);
        h.Expect(A, seq: 0, length: 1_460);
        h.ExpectNothing();
        h.In(201 * Ms, A, 0, 1_460);
        List<SentSegment> more = h.TakeAll();
        Assert.InRange(more.Count, 2, 4);
        Assert.Equal(1_460, more[0].Seq);
        h.In(202 * Ms, A, 0, 1_460 * 8);
        h.ExpectNothing();
    }

    [Fact]
    public void Three_duplicates_retransmit_at_once()
    {
        var h = Established(new StackOptions { Mtu = 1_500, Offload = false }, handshake: [2, 4, 0x05, 0xb4]);
        h.Write(0, new string('a', 1_460 * 6));
        Assert.Equal(6, h.TakeAll().Count);
        h.In(1, A, 0, 0);
        h.In(2, A, 0, 0);
        h.ExpectNothing();
        h.In(3, A, 0, 0);
        h.Expect(A, seq: 0, length: 1_460);
        h.ExpectNothing();
        h.In(4, A, 0, 0);
        h.ExpectNothing();
        h.In(5, A, 0, 2_920); // partial: the next hole goes as well
        h.Expect(A, seq: 2_920, length: 1_460);
        h.In(6, A, 0, 1_460 * 6);
        h.ExpectNothing();
        Assert.Equal(1, h.Stack.Counters.FastRetransmits);
    }

    [Fact]
    public void SACK_blocks_say_which_holes_to_fill()
    {
        var h = Established(new StackOptions { Mtu = 1_500, Offload = false });
        h.Write(0, new string('a', 1_460 * 8));
        h.TakeAll();
        // 0 and 3 are lost; the others arrive.
        h.In(1, A, 0, 0, options: Sack(h, (1, 2)));
        h.In(2, A, 0, 0, options: Sack(h, (1, 3)));
        h.ExpectNothing();
        h.In(3, A, 0, 0, options: Sack(h, (4, 5), (1, 3)));
        h.Expect(A, seq: 0, length: 1_460);
        h.Expect(A, seq: 3 * 1_460, length: 1_460);
        h.ExpectNothing();
        h.In(4, A, 0, 0, options: Sack(h, (4, 8), (1, 3)));
        h.ExpectNothing();
        h.In(5, A, 0, 1_460 * 8);
        h.ExpectNothing();
        Assert.Equal(2, h.Stack.Counters.Retransmissions);
    }

    [Fact]
    public void Senseless_SACK_blocks_are_ignored()
    {
        var h = Established(new StackOptions { Mtu = 1_500, Offload = false });
        h.Write(0, new string('a', 1_460 * 6));
        h.TakeAll();
        for (int i = 0; i < 2; i++)
            h.In(1, A, 0, 0, options: Sack(h, (-9, -8), (40, 50), (3, 3), (5, 2)));
        h.ExpectNothing();
        Assert.Equal(0, h.Stack.Counters.FastRetransmits);
    }

    [Fact]
    public void With_little_in_flight_fewer_duplicates_are_enough()
    {
        var h = Established(new StackOptions { Mtu = 1_500, Offload = false });
        h.Write(0, new string('a', 1_460 * 2));
        h.TakeAll();
        h.In(1, A, 0, 0, options: Sack(h, (1, 2)));
        h.Expect(A, seq: 0, length: 1_460);
    }

    [Fact]
    public void A_lost_FIN_is_sent_again()
    {
        var h = Established();
        h.Connection!.SendEnd(0);
        h.Stack.Flush(0);
        h.Expect(FA, seq: 0);
        h.At(200 * Ms);
        h.Expect(FA, seq: 0);
        h.In(201 * Ms, A, 0, 1);
        Assert.Equal(TcpState.FinWait2, h.Connection.State);
    }

    [Fact]
    public void A_peer_that_never_acknowledges_is_given_up()
    {
        var h = Established();
        h.Write(0, "lost");
        h.TakeAll();
        while (h.Connection!.State != TcpState.Closed)
            h.At(h.Stack.NextDeadline);
        Assert.Equal(["open", "reset"], h.Events);
        Assert.Equal(12, h.Stack.Counters.Retransmissions);
        Assert.Equal(0, h.Pool.InUse);
    }

    [Fact]
    public void The_time_out_follows_the_measured_round_trip()
    {
        var h = Established();
        for (int i = 0; i < 20; i++)
        {
            long t = i * 1_000 * Ms;
            h.Write(t, "x");
            h.Expect(A, seq: i);
            h.In(t + 150 * Ms, A, 0, i + 1);
            h.ExpectNothing();
        }
        h.Write(30_000 * Ms, "x");
        h.Expect(A);
        h.At(30_000 * Ms + 160 * Ms);
        h.ExpectNothing();
        h.At(30_000 * Ms + 400 * Ms);
        h.Expect(A, seq: 20);
    }

    private static byte[] Sack(SegmentHarness h, params (int Left, int Right)[] segments)
    {
        uint first = h.SequenceOfFirstByte;
        byte[] option = new byte[4 + 8 * segments.Length];
        TcpOptions.WriteSackPrefix(option, segments.Length);
        for (int i = 0; i < segments.Length; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(4 + 8 * i), first + (uint)(segments[i].Left * 1_460));
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(8 + 8 * i), first + (uint)(segments[i].Right * 1_460));
        }
        return option;
    }
}
