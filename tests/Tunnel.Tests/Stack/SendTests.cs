using Telepresence.Tunnel.Stack;
using static Telepresence.Tunnel.Tests.Stack.SegmentHarness;

namespace Telepresence.Tunnel.Tests.Stack;

public class SendTests
{
    [Fact]
    public void Many_writes_leave_as_one_super_packet_cut_by_the_kernel()
    {
        var h = Established();
        for (int i = 0; i < 10; i++)
            h.Connection!.Send(new byte[3_000], 1);
        h.ExpectNothing();
        h.Stack.Flush(1);
        SentSegment segment = h.Expect(A, seq: 0);
        Assert.Equal((30_000 / 1_460 * 1_460 + 30_000 % 1_460, 1_460), (segment.Data.Length, segment.GsoSize));
        h.ExpectNothing();
    }

    [Fact]
    public void Without_offload_segments_are_cut_and_summed_here()
    {
        var h = Established(new StackOptions { Mtu = 1_500, Offload = false });
        h.Write(1, new string('a', 3_001));
        h.Expect(A, seq: 0, length: 1_460);
        h.Expect(A, seq: 1_460, length: 1_460);
        SentSegment last = h.Expect(A, seq: 2_920, length: 81);
        Assert.True((last.Flags & P) != 0);
        h.ExpectNothing();
    }

    [Fact]
    public void No_more_leaves_than_the_peers_window_takes()
    {
        var h = Established(window: 20); // 20 << 7 = 2560
        h.Write(1, new string('a', 10_000));
        h.Expect(A, seq: 0, length: 1_460);
        h.ExpectNothing(); // 1100 would fit, and are not worth a segment
        h.In(2, A, 0, 1_460, window: 40);
        h.Expect(A, seq: 1_460, length: 2_920 + 1_460);
        Assert.Equal(1_460, h.Acknowledged);
    }

    [Fact]
    public void A_full_device_stops_output_until_it_is_ready()
    {
        var h = Established();
        h.Full = true;
        h.Write(1, "hello");
        h.ExpectNothing();
        h.Full = false;
        h.Stack.OutputReady(2);
        h.Expect(A, seq: 0, data: "hello");
        h.ExpectNothing();
    }

    [Fact]
    public void A_full_device_is_tried_again_even_if_nobody_says_that_it_is_ready()
    {
        var h = Established();
        h.Full = true;
        h.Write(1, "hello");
        h.Full = false;
        h.At(h.Stack.NextDeadline);
        h.Expect(A, seq: 0, data: "hello");
    }

    [Fact]
    public void The_send_queue_takes_what_it_has_room_for()
    {
        var h = Established(new StackOptions { Mtu = 1_500, SendBuffer = 1_000 });
        Assert.Equal(1_000, h.Connection!.SendSpace);
        Assert.Equal(1_000, h.Connection.Send(new byte[1_500], 1));
        Assert.Equal(0, h.Connection.SendSpace);
        Assert.Equal(0, h.Connection.Send(new byte[1], 1));
        h.Stack.Flush(1);
        h.Expect(A, length: 1_000);
        h.In(2, A, 0, 1_000);
        Assert.Equal((1_000, 1_000), (h.Acknowledged, h.Connection.SendSpace));
        Assert.Equal(0, h.Pool.InUse);
    }

    [Fact]
    public void Nothing_is_taken_after_the_end()
    {
        var h = Established();
        h.Connection!.SendEnd(1);
        Assert.Equal((0, 0), (h.Connection.Send(new byte[1], 1), h.Connection.SendSpace));
    }

    [Fact]
    public void A_closed_window_is_probed_with_back_off_until_it_opens()
    {
        var h = Established(window: 0);
        h.Write(1, "data");
        h.ExpectNothing();
        long last = 1;
        long gap = 0;
        for (int i = 0; i < 5; i++)
        {
            long due = h.Stack.NextDeadline;
            h.AtNextDeadline();
            h.Expect(A, seq: -1, length: 0);
            Assert.True(due - last >= gap);
            gap = due - last;
            last = due;
            h.In(due + 10, A, 0, 0, window: 0);
        }
        h.In(last + 20, A, 0, 0, window: 100);
        h.Expect(A, seq: 0, data: "data");
    }

    [Fact]
    public void A_peer_that_no_longer_answers_probes_is_given_up()
    {
        var h = Established(window: 0);
        h.Write(1, "data");
        for (int i = 0; i < 12; i++)
        {
            h.At(h.Stack.NextDeadline);
            h.Expect(A, seq: -1);
        }
        h.At(h.Stack.NextDeadline);
        h.Expect(RA);
        Assert.Equal(["open", "reset"], h.Events);
        Assert.Equal(1, h.Stack.Counters.PeersVanished);
    }

    [Fact]
    public void A_window_that_stays_tiny_is_used_when_the_persist_timer_expires()
    {
        var h = Established(window: 100);
        h.Write(1, new string('a', 2_000));
        h.Expect(A, length: 2_000);
        h.In(2, A, 0, 2_000, window: 2); // 256 bytes
        h.Write(3, new string('b', 2_000));
        h.ExpectNothing();
        h.AtNextDeadline();
        h.Expect(A, seq: 2_000, length: 256);
    }

    [Fact]
    public void A_connection_that_the_device_always_refuses_does_not_hold_up_the_others()
    {
        var h = Established();
        TcpConnection refused = h.Connection!;
        h.SourcePort++;
        h.In(0, S, -1, 0, options: UsualOptions);
        h.Expect(SA);
        h.In(0, A, 0, 0);
        h.RefusedPort = refused.Flow.SourcePort;
        refused.Send("never"u8, 1);
        h.Connection!.Send("passes"u8, 1);
        h.Stack.Flush(1);
        h.ExpectNothing();
        h.At(h.Stack.NextDeadline);
        h.Expect(A, data: "passes");
    }
}
