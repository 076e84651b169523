using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;
using static Telepresence.Tunnel.Tests.Stack.SegmentHarness;

namespace Telepresence.Tunnel.Tests.Stack;

public class ReceiveTests
{
    [Fact]
    public void Many_segments_in_one_turn_are_acknowledged_once()
    {
        var h = Established();
        h.In(1, A, 0, 0, "abc", flush: false);
        h.In(1, A, 3, 0, "def", flush: false);
        h.In(1, A, 6, 0, "ghi", flush: false);
        h.ExpectNothing();
        h.Stack.Flush(1);
        h.Expect(A, seq: 0, ack: 9);
        h.ExpectNothing();
        Assert.Equal("abcdefghi", h.Received.ToString());
    }

    [Fact]
    public void An_answer_in_the_same_turn_carries_the_acknowledgment()
    {
        var h = Established();
        h.In(1, A, 0, 0, "ping", flush: false);
        h.Write(1, "pong");
        h.Expect(A, seq: 0, ack: 4, data: "pong");
        h.ExpectNothing();
    }

    [Fact]
    public void Data_ahead_of_a_gap_is_kept_and_reported_by_SACK()
    {
        var h = Established();
        h.In(1, A, 3, 0, "def");
        SentSegment duplicate = h.Expect(A, ack: 0);
        Assert.Equal([(3, 6)], duplicate.Sack);
        h.TakeAll();
        h.In(2, A, 9, 0, "jkl");
        Assert.Equal([(9, 12), (3, 6)], h.Expect(A, ack: 0).Sack);
        h.TakeAll();
        h.In(3, A, 0, 0, "abc");
        Assert.Equal("abcdef", h.Received.ToString());
        Assert.Equal([(9, 12)], h.Expect(A, ack: 6).Sack);
        h.In(4, A, 6, 0, "ghi");
        Assert.Empty(h.Expect(A, ack: 12).Sack);
        Assert.Equal("abcdefghijkl", h.Received.ToString());
        Assert.Equal(0, h.Stack.OutOfOrderStores);
    }

    [Fact]
    public void Overlapping_and_repeated_segments_deliver_each_byte_once()
    {
        var h = Established();
        h.In(1, A, 0, 0, "abcd");
        h.In(2, A, 2, 0, "cdef");
        h.In(3, A, 0, 0, "abcdef");
        h.In(4, A, 8, 0, "ij");
        h.In(5, A, 7, 0, "hijk");
        h.In(6, A, 5, 0, "fgh");
        Assert.Equal("abcdefghijk", h.Received.ToString());
        Assert.Equal(11, h.TakeAll()[^1].Ack);
    }

    [Fact]
    public void A_FIN_ahead_of_a_gap_waits_for_it()
    {
        var h = Established();
        h.In(1, FA, 3, 0, "def");
        h.TakeAll();
        Assert.DoesNotContain("end", h.Events);
        h.In(2, A, 0, 0, "abc");
        Assert.Equal("abcdef", h.Received.ToString());
        Assert.Contains("end", h.Events);
        h.Expect(A, ack: 7);
    }

    [Fact]
    public void A_bare_FIN_ahead_of_a_gap_is_taken_when_it_is_sent_again_or_the_gap_closes()
    {
        var h = Established();
        h.In(1, FA, 3, 0);
        h.In(2, A, 0, 0, "abc");
        Assert.Equal(["open", "end"], h.Events);
        Assert.Equal(TcpState.CloseWait, h.Connection!.State);
    }

    [Fact]
    public void What_exceeds_the_window_is_cut_off_and_what_begins_beyond_it_dropped()
    {
        var h = new SegmentHarness { Space = 16 };
        h.In(0, S, -1, 0, options: UsualOptions);
        Assert.Equal(16, h.Expect(SA).Window);
        h.In(0, A, 0, 0);
        h.Space = 0;
        h.In(1, A, 0, 0, "0123456789abcdefXYZ");
        Assert.Equal("0123456789abcdef", h.Received.ToString());
        Assert.Equal(0, h.Expect(A, ack: 16).Window);
        h.In(2, A, 16, 0, "XYZ");
        h.Expect(A, ack: 16);
        h.In(3, A, 500, 0, "zzz");
        h.Expect(A, ack: 16);
        Assert.Equal("0123456789abcdef", h.Received.ToString());
    }

    [Fact]
    public void A_keepalive_probe_is_answered()
    {
        var h = Established();
        h.In(1, A, -1, 0);
        h.Expect(A, seq: 0, ack: 0);
        h.In(2, A, -1, 0, "x"); // some send a byte of garbage
        h.Expect(A, seq: 0, ack: 0);
        Assert.Equal("", h.Received.ToString());
    }

    [Fact]
    public void Urgent_data_is_delivered_in_line()
    {
        var h = Established();
        h.In(1, A | TcpFlags.Urg, 0, 0, "a!b");
        Assert.Equal("a!b", h.Received.ToString());
    }

    [Fact]
    public void The_window_opens_again_without_being_asked_but_not_in_crumbs()
    {
        var h = new SegmentHarness(new StackOptions { Mtu = 1_500 }) { Space = 8_000 };
        h.In(0, S, -1, 0, options: UsualOptions);
        h.Expect(SA);
        h.In(0, A, 0, 0);
        h.Space = 0;
        h.In(1, A, 0, 0, new string('x', 8_000));
        Assert.Equal(0, h.Expect(A, ack: 8_000).Window);
        h.Connection!.SetReceiveSpace(100);
        h.Stack.Flush(2);
        h.ExpectNothing();
        h.Connection.SetReceiveSpace(4_000);
        h.Stack.Flush(3);
        Assert.Equal(4_000 >> 4, h.Expect(A, ack: 8_000).Window);
    }

    [Fact]
    public void The_window_starts_small_and_grows_while_it_is_used_up()
    {
        var h = Established();
        h.Space = 4 << 20;
        int sequence = 0, largest = 0;
        for (int i = 0; i < 2_000; i++)
        {
            h.In(i, A, sequence, 0, new string('x', 1_460));
            sequence += 1_460;
            int window = h.TakeAll()[^1].Window << 4;
            if (i == 0)
                Assert.InRange(window, 60_000, 65_536);
            largest = Math.Max(largest, window);
        }
        Assert.InRange(largest, 500 * 1024, 512 * 1024);
    }

    [Fact]
    public void The_windows_of_all_connections_together_stay_within_the_budget()
    {
        const int budget = 1 << 20;
        var h = new SegmentHarness(new StackOptions { Mtu = 1_500, WindowBudget = budget }) { Space = 4 << 20 };
        for (ushort port = 1; port <= 30; port++)
        {
            Bulk(h, port, at: 0);

            // Each connection's first window does not count.
            Assert.InRange(h.Stack.Budget.Promised, 1, budget);
        }
        h.Stack.AbortAll(1);
        Assert.Equal(0, h.Stack.Budget.Promised);
    }

    [Fact]
    public void Idle_connections_take_no_window_from_one_that_works()
    {
        var h = new SegmentHarness(new StackOptions { Mtu = 1_500, WindowBudget = 1 << 20 }) { Space = 4 << 20 };
        for (ushort port = 1; port <= 1_000; port++)
            Open(h, port, at: 0);
        Assert.Equal(0, h.Stack.Budget.Promised);
        Assert.InRange(Bulk(h, 2_000, at: 0), 500 * 1024, 512 * 1024);
    }

    [Fact]
    public void Connections_that_have_grown_and_rest_give_the_budget_to_one_that_works()
    {
        const long second = 1_000_000;
        var h = new SegmentHarness(new StackOptions { Mtu = 1_500, WindowBudget = 1 << 20 }) { Space = 4 << 20 };
        Bulk(h, 1, at: 0);
        uint first = h.SequenceOfFirstByte;
        for (ushort port = 2; port <= 30; port++)
            Bulk(h, port, at: 0);
        Assert.InRange(Bulk(h, 2_000, at: second / 2), 60_000, 100_000);
        Assert.InRange(Bulk(h, 2_001, at: 3 * second), 500 * 1024, 512 * 1024);

        // One of those that rested may still use what it was promised, and counts again when it does.
        long promised = h.Stack.Budget.Promised;
        h.ReturnTo(1, first);
        h.In(3 * second, A, 400 * 1_000, 0, new string('x', 1_000));
        Assert.InRange(h.Stack.Budget.Promised, promised + 1, 2 << 20);
        h.Stack.AbortAll(4 * second);
        Assert.Equal(0, h.Stack.Budget.Promised);
    }

    private static void Open(SegmentHarness h, ushort port, long at)
    {
        h.SourcePort = port;
        h.In(at, S, -1, 0, options: UsualOptions);
        h.Expect(SA);
        h.In(at, A, 0, 0);
    }

    /// <returns>The window, in bytes, that a connection has after it has sent 400 kB without a pause.</returns>
    private static int Bulk(SegmentHarness h, ushort port, long at)
    {
        Open(h, port, at);
        int window = 0;
        for (int i = 0; i < 400; i++)
        {
            h.In(at + i, A, i * 1_000, 0, new string('x', 1_000));
            window = Math.Max(window, h.TakeAll()[^1].Window << 4);
        }
        return window;
    }
}
