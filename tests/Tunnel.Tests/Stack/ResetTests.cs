using Telepresence.Tunnel.Stack;
using static Telepresence.Tunnel.Tests.Stack.SegmentHarness;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>RFC 5961, and what segments get that belong to nobody.</summary>
public class ResetTests
{
    [Fact]
    public void A_reset_with_the_expected_number_ends_the_connection()
    {
        var h = Established();
        h.In(1, R, 0, 0);
        h.ExpectNothing();
        Assert.Equal(["open", "reset"], h.Events);
        Assert.Equal(0, h.Stack.ConnectionCount);
    }

    [Fact]
    public void A_reset_elsewhere_in_the_window_is_challenged_and_outside_ignored()
    {
        var h = Established();
        h.In(1, R, 10, 0);
        h.Expect(A, seq: 0, ack: 0);
        h.In(2, R, 10_000_000, 0);
        h.In(3, R, -5, 0);
        h.ExpectNothing();
        Assert.Equal(["open"], h.Events);
        Assert.Equal(1, h.Stack.Counters.ChallengeAcks);
    }

    [Fact]
    public void A_SYN_in_an_open_connection_is_challenged()
    {
        var h = Established();
        h.In(1, S, 100, 0);
        h.Expect(A, seq: 0, ack: 0);
        Assert.Equal(TcpState.Established, h.Connection!.State);
    }

    [Fact]
    public void An_acknowledgment_of_what_was_never_sent_is_answered_and_changes_nothing()
    {
        var h = Established();
        h.Write(1, "abc");
        h.Expect(A);
        h.In(2, A, 0, 50, "evil");
        h.Expect(A, seq: 3, ack: 0);
        Assert.Equal((0, ""), (h.Acknowledged, h.Received.ToString()));
    }

    [Fact]
    public void Challenges_are_rate_limited()
    {
        var h = Established();
        for (int i = 0; i < 1_000; i++)
            h.In(1, R, 10, 0);
        Assert.Equal(100, h.TakeAll().Count);
    }

    [Fact]
    public void Abort_sends_a_reset_drops_the_queue_and_calls_nobody()
    {
        var h = Established();
        h.Write(1, "abc");
        h.Expect(A);
        h.Connection!.Abort(2);
        h.Expect(RA, seq: 3, ack: 0);
        h.Stack.Flush(3);
        h.ExpectNothing();
        Assert.Equal(["open"], h.Events);
        Assert.Equal((0, 0L, long.MaxValue), (h.Stack.ConnectionCount, h.Pool.InUse, h.Stack.NextDeadline));
        h.Connection.Abort(4);
        h.Connection.SendEnd(4);
        h.Connection.SetReceiveSpace(1);
        h.Stack.Flush(4);
        h.ExpectNothing();
    }

    [Fact]
    public void A_segment_of_no_connection_is_reset_but_a_reset_is_not()
    {
        var h = new SegmentHarness();
        h.In(1, A, 5, 7);
        h.Expect(R);
        h.In(2, FA, 5, 7);
        h.Expect(R);
        h.In(3, F, 5, 0, "abc");
        h.Expect(RA, ack: 9);
        h.In(4, R, 5, 0);
        h.In(5, RA, 5, 5);
        h.ExpectNothing();
        Assert.Equal(0, h.Stack.ConnectionCount);
    }

    [Fact]
    public void A_handler_may_abort_from_inside_any_call()
    {
        var h = Established();
        h.Connection!.Handler = new Aborter();
        h.In(1, A, 3, 0, "def");
        h.In(2, FA, 0, 0, "abc");
        Assert.Contains(h.TakeAll(), segment => segment.Flags == RA);
        Assert.Equal(0, h.Stack.ConnectionCount);
        Assert.Equal((0, 0L), (h.Stack.OutOfOrderStores, h.Stack.Budget.Promised));
    }

    private sealed class Aborter : ITcpHandler
    {
        public void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now) => connection.Abort(now);
        public void OnEnd(TcpConnection connection, long now) => Assert.Fail("After an abort nobody is called.");
        public void OnSendSpace(TcpConnection connection, int acknowledged, long now) => Assert.Fail("After an abort nobody is called.");
        public void OnReset(TcpConnection connection, long now) => Assert.Fail("After an abort nobody is called.");
        public void OnClosed(TcpConnection connection, long now) => Assert.Fail("After an abort nobody is called.");
    }
}
