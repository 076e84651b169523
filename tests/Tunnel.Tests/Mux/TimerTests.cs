using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

public sealed class TimerTests
{
    private const long Second = 1_000_000;

    [Fact]
    public void A_quiet_link_is_pinged_and_its_round_trip_measured()
    {
        var pair = new SessionPair { NewPipe = () => new FakePipe { Delay = 25_000 } };
        pair.Connect();
        pair.Run(20 * Second);
        Assert.InRange(pair.Client.Counters.Pongs, 10, 12);
        Assert.InRange(pair.Client.LastRoundTrip, 50_000, 51_000);
        Assert.Equal(SessionState.Established, pair.Client.State);
    }

    [Fact]
    public void A_link_that_swallows_everything_is_dead_after_the_time_limit()
    {
        SessionPair pair = SessionPair.Connected();
        pair.Run(Second);
        pair.Cut(clientNotices: false, serverNotices: false);
        pair.Run(11 * Second);
        Assert.Equal(["established"], pair.ClientEnd.Events);
        pair.Run(2 * Second);
        Assert.Equal(["established", "dead: nothing came for 10 seconds", "suspended: nothing came for 10 seconds"], pair.ClientEnd.Events);
        Assert.Null(pair.ClientLink);
        Assert.Equal(SessionState.Suspended, pair.Server.State);
    }

    [Fact]
    public void A_hello_without_answer_gives_the_link_up()
    {
        var pair = new SessionPair();
        pair.Client.LinkUp(pair.Now);
        pair.Client.Poll(pair.Now + 10 * Second - 1);
        Assert.Empty(pair.ClientEnd.Events);
        pair.Client.Poll(pair.Now + 10 * Second);
        Assert.Equal(["dead: no answer to the hello within 10 seconds"], pair.ClientEnd.Events);
        Assert.Equal(SessionState.Connecting, pair.Client.State);
        Assert.Equal(long.MaxValue, pair.Client.NextDeadline);
    }

    [Fact]
    public void A_session_without_link_ends_after_its_time_and_tells_its_streams()
    {
        SessionPair pair = SessionPair.Connected(new MuxSessionOptions { Version = "1", SessionTimeout = 60 * Second });
        RecordingStream stream = pair.Open();
        pair.Run(1000);
        pair.Cut();
        pair.Run(60 * Second - 1);
        Assert.Equal(SessionState.Suspended, pair.Client.State);
        pair.Run(1);
        Assert.Equal(SessionState.Ended, pair.Client.State);
        Assert.Equal("no link for 60 seconds", pair.Client.EndReason);
        Assert.Equal(SessionState.Ended, pair.Server.State);
        Assert.Equal("reset SessionEnded", stream.Events[^1]);
    }

    [Fact]
    public void Bulk_asks_for_an_acknowledgement_four_times_per_window_and_gets_it_at_once()
    {
        SessionPair pair = SessionPair.Connected(new MuxSessionOptions { Version = "1", InitialWindow = 1 << 20 });
        RecordingStream client = pair.Open();
        pair.Run(1000);
        RecordingStream server = pair.ServerEnd.Opened[0];
        var up = new FrameTap();
        int quarter = pair.Client.LinkWindowSize / 4, sent = 0;
        Span<IoVector> vectors = stackalloc IoVector[64];
        while (sent < 3 * quarter)
        {
            int count = Math.Min(client.Stream.SendSpace, 50_000);
            client.Stream.Write(new byte[count], pair.Now);
            sent += count;
            int filled = pair.Client.Gather(vectors, 65_536, pair.Now);
            int length = 0;
            foreach (IoVector vector in vectors[..filled])
            {
                up.Feed(vector.Span);
                pair.Server.Receive(vector.Span, pair.Now);
                length += (int)vector.Length;
            }

            pair.Client.Sent(length, pair.Now);
        }

        Assert.Equal(sent, server.Received.Count);
        long[] asked = [.. up.Frames.Where(frame => frame.Header is { Type: FrameType.Data, Detail: FrameHeader.AcknowledgeNow }).Select(frame => frame.Position)];
        Assert.InRange(asked.Length, 2, 3);
        Assert.InRange(asked[1] - asked[0], quarter - 50_100, quarter + 50_100);
        Assert.True(pair.Server.HasOutput);
        pair.Move();
        Assert.Equal(0, client.Stream.Unacknowledged);
    }

    [Fact]
    public void Acknowledgements_wait_for_company_but_not_long()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream stream = pair.Open();
        pair.Run(Second);
        stream.Stream.Write("x"u8, pair.Now);
        pair.Move();
        pair.Move();
        Assert.Equal(1, stream.Stream.Unacknowledged);
        Assert.False(pair.Server.HasOutput);
        Assert.Equal(pair.Now + pair.Options.AckDelay, pair.Server.NextDeadline);
        pair.Run(pair.Options.AckDelay);
        Assert.Equal(0, stream.Stream.Unacknowledged);
    }

    [Fact]
    public void A_goodbye_ends_the_other_side_with_its_reason()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream stream = pair.Open();
        stream.Stream.Write(new byte[30_000], pair.Now);
        pair.Slice = () => 1000;
        pair.Move();
        pair.Client.End("the user said quit", pair.Now);
        pair.Run(1000);
        Assert.Equal(SessionState.Ended, pair.Server.State);
        Assert.Equal("the user said quit", pair.Server.EndReason);
        Assert.Equal("reset SessionEnded", stream.Events[^1]);
        Assert.False(pair.Client.HasOutput);
        pair.Client.LinkDown("closed", pair.Now);
        pair.Server.LinkDown("closed", pair.Now);
        Assert.Equal(0, pair.ClientPool.InUse + pair.ServerPool.InUse);
    }

    [Fact]
    public void What_a_lost_link_is_said_to_have_taken_does_not_count()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream stream = pair.Open();
        pair.Run(1000);
        stream.Stream.Write(new byte[1000], pair.Now);
        var vectors = new Tunnel.Buffers.IoVector[8];
        Assert.NotEqual(0, pair.Client.Gather(vectors, 4096, pair.Now));
        pair.Cut();
        pair.Client.Sent(500, pair.Now);
        pair.Connect();
        pair.Run(1000);
        Assert.Equal(1000, pair.ServerEnd.Opened[0].Received.Count);
    }

    [Fact]
    public void A_version_that_does_not_fit_the_hello_is_a_mistake_of_the_caller()
    {
        var options = new MuxSessionOptions { Version = new string('1', 65), Key = new byte[32] };
        Assert.Throws<ArgumentException>(() => new MuxSession(SessionRole.Client, options, new Tunnel.Buffers.ChunkPool(), new SessionEnd(), 0));
    }

    [Fact]
    public void The_owner_is_woken_once_when_there_is_output()
    {
        var handler = new WakeCounter();
        var session = new MuxSession(
            SessionRole.Client, new MuxSessionOptions { Version = "1", Key = new byte[32] }, new Tunnel.Buffers.ChunkPool(), handler, 0);
        session.LinkUp(0);
        Assert.Equal(1, handler.Wakes);
        session.Open(StreamKind.Tcp, [], new RecordingStream(), 0);
        Assert.Equal(1, handler.Wakes);
        Wire.Send(session, new FakePipe(), int.MaxValue, 0);
        Assert.False(session.HasOutput);
    }

    private sealed class WakeCounter : IMuxSessionHandler
    {
        internal int Wakes { get; private set; }

        public void OnEstablished(long now)
        {
        }

        public void OnSuspended(string reason, long now)
        {
        }

        public void OnResumed(long now)
        {
        }

        public void OnEnded(string reason, long now)
        {
        }

        public void OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now)
        {
        }

        public void OnLinkDead(string reason, long now)
        {
        }

        public void OnOutput() => Wakes++;
    }
}
