using System.Runtime.InteropServices;

using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class LinkPumpTests
{
    [Fact]
    public void Bytes_pass_both_ways_and_credit_returns()
    {
        StreamRecorder far = new();
        using SessionPair pair = new((stream, _, now) => Accept(stream, far, now));
        pair.Link();
        byte[] bytes = RandomBytes(8_000_000);
        Send(pair, bytes);
        pair.Turns.Until(() => far.Ended);
        Assert.True(CollectionsMarshal.AsSpan(far.Bytes).SequenceEqual(bytes));
    }

    [Fact]
    public void A_stream_goes_on_over_the_next_link_after_each_cut()
    {
        StreamRecorder far = new();
        using SessionPair pair = new((stream, _, now) => Accept(stream, far, now));
        pair.Link();
        byte[] bytes = RandomBytes(10_000_000);
        Send(pair, bytes);
        Random random = new(7);
        for (int cut = 1; cut <= 5; cut++)
        {
            int threshold = (cut * 1_500_000) + random.Next(1_000_000);
            pair.Turns.Until(() => far.Bytes.Count >= threshold);
            pair.Cut();
            Assert.Equal(SessionState.Suspended, pair.Client.State);
            pair.Link();
        }

        pair.Turns.Until(() => far.Ended);
        Assert.True(CollectionsMarshal.AsSpan(far.Bytes).SequenceEqual(bytes));
        Assert.Equal(5, pair.ClientEvents.Suspensions);
    }

    [Fact]
    public void A_goodbye_reaches_the_peer_before_the_link_is_closed()
    {
        using SessionPair pair = new();
        pair.Link();
        pair.Server!.End("the pod is being stopped", pair.Loop.Now);
        pair.Turns.Until(() => pair.ClientEvents.Ended is not null && !pair.ClientPump.IsAttached && !pair.ServerPump!.IsAttached);
        Assert.Contains("the pod is being stopped", pair.ClientEvents.Ended, StringComparison.Ordinal);
    }

    [Fact]
    public void An_ended_session_gives_its_memory_back_with_its_link()
    {
        StreamRecorder far = new();
        using SessionPair pair = new((stream, _, now) => Accept(stream, far, now));
        pair.Link();
        StreamRecorder near = new();
        MuxStream stream = pair.Client.Open(StreamKind.Tcp, [1], near, pair.Loop.Now)!;
        near.Send(stream, RandomBytes(10_000), thenEnd: false, pair.Loop.Now);
        pair.Turns.Until(() => far.Bytes.Count == 10_000);
        Assert.NotEqual(0, pair.Pool.InUse);
        pair.Client.End("test", pair.Loop.Now);
        pair.Turns.Until(() => pair.ServerEvents.Ended is not null && !pair.ClientPump.IsAttached && !pair.ServerPump!.IsAttached);
        Assert.Equal(0, pair.Pool.InUse);
    }

    [Fact]
    public void A_lost_link_is_reported_after_the_session_knows()
    {
        using SessionPair pair = new();
        pair.Link();
        SessionState? seen = null;
        pair.ClientPump.Detached = _ => seen = pair.Client.State;
        pair.Cut();
        Assert.Equal(SessionState.Suspended, seen);
    }

    [Fact]
    public void A_framed_link_carries_messages_both_ways()
    {
        StreamRecorder far = new();
        MuxStream? accepted = null;
        using SessionPair pair = new((stream, _, now) => Accept(accepted = stream, far, now));
        CountingFraming framing = new();
        pair.Link(framing);
        byte[] bytes = RandomBytes(3_000_000);
        StreamRecorder near = Send(pair, bytes);
        pair.Turns.Until(() => far.Ended);
        far.Send(accepted!, bytes, thenEnd: true, pair.Loop.Now);
        pair.Turns.Until(() => near.Ended);

        Assert.True(CollectionsMarshal.AsSpan(far.Bytes).SequenceEqual(bytes));
        Assert.True(CollectionsMarshal.AsSpan(near.Bytes).SequenceEqual(bytes));
        Assert.InRange(framing.Longest, 10_000, CountingFraming.Limit);
        Assert.Null(framing.ClosedBecause);
    }

    [Fact]
    public void What_the_framing_has_to_say_is_sent_while_the_session_is_silent()
    {
        using SessionPair pair = new();
        CountingFraming framing = new();
        pair.Link(framing);
        framing.Owes = true;
        pair.Turns.Until(() => !framing.Owes);
    }

    [Fact]
    public void The_framing_s_end_is_the_link_s()
    {
        using SessionPair pair = new();
        CountingFraming framing = new();
        pair.Link(framing);
        framing.End = "connection refused";
        pair.Server!.End("the pod is being stopped", pair.Loop.Now);
        pair.Turns.Until(() => !pair.ClientPump.IsAttached);
        Assert.Equal("connection refused", framing.ClosedBecause);
    }

    [Fact]
    public void A_framed_link_that_breaks_in_a_message_is_followed_by_another()
    {
        StreamRecorder far = new();
        using SessionPair pair = new((stream, _, now) => Accept(stream, far, now));
        CountingFraming first = new();
        pair.Link(first);
        byte[] bytes = RandomBytes(4_000_000);
        Send(pair, bytes);
        pair.Turns.Until(() => far.Bytes.Count > 1_000_000);
        pair.Cut();
        pair.Link(new CountingFraming());
        pair.Turns.Until(() => far.Ended);

        Assert.NotNull(first.ClosedBecause);
        Assert.True(CollectionsMarshal.AsSpan(far.Bytes).SequenceEqual(bytes));
    }

    internal static byte[] RandomBytes(int count)
    {
        byte[] bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    private static StreamRecorder Send(SessionPair pair, byte[] bytes)
    {
        StreamRecorder near = new();
        MuxStream stream = pair.Client.Open(StreamKind.Tcp, [1], near, pair.Loop.Now)!;
        near.Send(stream, bytes, thenEnd: true, pair.Loop.Now);
        return near;
    }

    private static void Accept(MuxStream stream, StreamRecorder recorder, long now)
    {
        stream.Handler = recorder;
        stream.Accept(default, now);
    }
}
