using Telepresence.Tunnel.Stack;
using static Telepresence.Tunnel.Tests.Stack.SegmentHarness;

namespace Telepresence.Tunnel.Tests.Stack;

public class CloseTests
{
    [Fact]
    public void The_program_closes_first()
    {
        var h = Established();
        h.In(1, FA, 0, 0, "bye");
        h.Expect(A, ack: 4);
        Assert.Equal(TcpState.CloseWait, h.Connection!.State);
        h.Write(2, "more");
        h.Expect(A, data: "more");
        h.Connection.SendEnd(3);
        h.Stack.Flush(3);
        h.Expect(FA, seq: 4, ack: 4);
        Assert.Equal(TcpState.LastAck, h.Connection.State);
        h.In(4, A, 4, 5);
        h.Expect(R, seq: 5); // nothing old can come from a device: the kernel need not wait
        h.ExpectNothing();
        Assert.Equal(["open", "end", "closed"], h.Events);
        Assert.Equal((0, 0), (h.Stack.ConnectionCount, h.Stack.TimeWait.Count));
    }

    [Fact]
    public void The_far_side_closes_first_and_TIME_WAIT_repeats_the_last_acknowledgment()
    {
        var h = Established();
        h.Connection!.SendEnd(1);
        h.Stack.Flush(1);
        h.Expect(FA, seq: 0);
        Assert.Equal(TcpState.FinWait1, h.Connection.State);
        h.In(2, A, 0, 1, "still here");
        Assert.Equal(TcpState.FinWait2, h.Connection.State);
        h.Expect(A, ack: 10);
        h.In(3, FA, 10, 1);
        h.Expect(A, seq: 1, ack: 11);
        Assert.Equal(["open", "end", "closed"], h.Events);
        h.In(4, FA, 10, 1); // the last ACK was lost
        h.Expect(A, seq: 1, ack: 11);
        Assert.Equal((0, 1), (h.Stack.ConnectionCount, h.Stack.TimeWait.Count));
        h.At(20_000_000);
        Assert.Equal(0, h.Stack.TimeWait.Count);
    }

    [Fact]
    public void Both_close_at_once()
    {
        var h = Established();
        h.Connection!.SendEnd(1);
        h.Stack.Flush(1);
        h.Expect(FA, seq: 0, ack: 0);
        h.In(2, FA, 0, 0);
        Assert.Equal(TcpState.Closing, h.Connection.State);
        h.Expect(A, seq: 1, ack: 1);
        h.In(3, A, 1, 1);
        Assert.Equal(["open", "end", "closed"], h.Events);
        Assert.Equal(1, h.Stack.TimeWait.Count);
    }

    [Fact]
    public void A_new_SYN_may_reuse_a_port_in_TIME_WAIT()
    {
        var h = Established();
        h.Connection!.SendEnd(1);
        h.Stack.Flush(1);
        h.In(2, FA, 0, 1);
        h.TakeAll();
        h.In(3, S, 1_000, 0, options: UsualOptions);
        h.Expect(SA);
        Assert.Equal(["open", "end", "closed", "open"], h.Events);
        Assert.Equal(0, h.Stack.TimeWait.Count);
    }

    [Fact]
    public void An_old_SYN_in_TIME_WAIT_is_not_a_new_connection()
    {
        var h = Established();
        h.Connection!.SendEnd(1);
        h.Stack.Flush(1);
        h.In(2, FA, 0, 1);
        h.TakeAll();
        h.In(3, S, -1, 0, options: UsualOptions);
        h.Expect(A, seq: 1, ack: 1);
        Assert.Equal(0, h.Stack.ConnectionCount);
    }

    [Fact]
    public void TIME_WAIT_is_bounded()
    {
        var h = new SegmentHarness(new StackOptions { Mtu = 1_500, MaxTimeWait = 5 });
        for (ushort port = 1; port <= 20; port++)
        {
            h.SourcePort = port;
            h.In(port, S, -1, 0);
            h.Expect(SA);
            h.In(port, A, 0, 0);
            h.Connection!.SendEnd(port);
            h.Stack.Flush(port);
            h.In(port, FA, 0, 1);
            h.TakeAll();
        }
        Assert.Equal(5, h.Stack.TimeWait.Count);
    }

    [Fact]
    public void A_FIN_passes_a_closed_window()
    {
        var h = Established(window: 0);
        h.Connection!.SendEnd(1);
        h.Stack.Flush(1);
        h.Expect(FA, seq: 0);
    }

    [Fact]
    public void A_silent_peer_is_probed_and_given_up()
    {
        var h = Established();
        h.At(120_000_000 - 1);
        h.ExpectNothing();
        h.At(120_000_000);
        h.Expect(A, seq: -1);
        h.In(120_000_100, A, 0, 0);
        h.At(240_000_000);
        h.ExpectNothing();
        h.At(240_000_100);
        h.Expect(A, seq: -1);
        for (int i = 1; i < 5; i++)
        {
            h.At(240_000_100 + i * 15_000_000);
            h.Expect(A, seq: -1);
        }
        h.At(240_000_100 + 5 * 15_000_000);
        h.Expect(RA);
        Assert.Equal(["open", "reset"], h.Events);
    }

    [Fact]
    public void A_stack_that_was_stopped_for_an_hour_asks_before_it_gives_up()
    {
        var h = Established();
        const long hour = 3_600_000_000;
        h.At(hour);
        h.Expect(A, seq: -1);
        h.ExpectNothing();
        h.In(hour + 10, A, 0, 0);
        Assert.Equal(TcpState.Established, h.Connection!.State);
    }
}
