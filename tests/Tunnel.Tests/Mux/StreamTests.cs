using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

public sealed class StreamTests
{
    [Fact]
    public void A_stream_opens_carries_bytes_both_ways_and_closes_after_both_ends()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream client = pair.Open(StreamKind.Tcp, [10, 0, 0, 1, 0, 80]);
        pair.Run(1000);
        RecordingStream server = Assert.Single(pair.ServerEnd.Opened);
        Assert.Equal([10, 0, 0, 1, 0, 80], server.Target);
        Assert.Equal(StreamKind.Tcp, server.Stream.Kind);
        Assert.Equal(["accepted "], client.Events);

        client.Stream.Write("request"u8, pair.Now);
        client.Stream.WriteEnd(pair.Now);
        pair.Run(1000);
        Assert.Equal("request"u8.ToArray(), server.Received);
        Assert.Equal(["end"], server.Events);

        server.Stream.Write("answer"u8, pair.Now);
        server.Stream.WriteEnd(pair.Now);
        pair.Run(100_000);
        Assert.Equal("answer"u8.ToArray(), client.Received);
        Assert.Equal(["accepted ", "end"], client.Events);
        Assert.True(client.Stream.IsClosed);
        Assert.True(server.Stream.IsClosed);
        Assert.Equal(0, pair.Client.StreamCount + pair.Server.StreamCount);
        Assert.Equal(0, pair.ClientPool.InUse + pair.ServerPool.InUse);
    }

    [Fact]
    public void The_proxy_opens_streams_too()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream server = pair.Open(pair.Server, StreamKind.Accepted, [7]);
        pair.Run(1000);
        RecordingStream client = Assert.Single(pair.ClientEnd.Opened);
        Assert.Equal(StreamKind.Accepted, client.Stream.Kind);
        Assert.Equal(0u, client.Stream.Id & 1);
        server.Stream.Write("hello"u8, pair.Now);
        pair.Run(1000);
        Assert.Equal("hello"u8.ToArray(), client.Received);
    }

    [Fact]
    public void Data_may_follow_the_open_before_it_is_accepted()
    {
        SessionPair pair = SessionPair.Connected();
        pair.ServerEnd.OnOpen = (_, _) => { };
        RecordingStream client = pair.Open();
        Assert.Equal(pair.Options.EarlyWindow, client.Stream.SendSpace);
        client.Stream.Write("early"u8, pair.Now);
        pair.Run(1000);
        RecordingStream server = Assert.Single(pair.ServerEnd.Opened);
        Assert.Equal("early"u8.ToArray(), server.Received);
        Assert.Equal(0, server.Stream.SendSpace);
        server.Stream.Accept([1, 2], pair.Now);
        Assert.Equal(pair.Options.InitialWindow, server.Stream.SendSpace);
        pair.Run(1000);
        Assert.Equal(["accepted 0102"], client.Events);
        Assert.Equal(pair.Options.InitialWindow, client.Stream.SendSpace);
    }

    [Fact]
    public void A_stream_opened_before_the_first_link_gets_through()
    {
        var pair = new SessionPair();
        RecordingStream client = pair.Open(StreamKind.Udp);
        Assert.True(client.Stream.WriteDatagram("first"u8, pair.Now));
        pair.Connect();
        pair.Run(1000);
        Assert.Equal("first"u8.ToArray(), Assert.Single(Assert.Single(pair.ServerEnd.Opened).Datagrams));
    }

    [Fact]
    public void A_refusal_carries_code_and_reason()
    {
        SessionPair pair = SessionPair.Connected();
        pair.ServerEnd.OnOpen = (stream, now) => stream.Stream.Refuse(RefuseCode.HostUnreachable, "no route to 10.0.0.1\n", now);
        RecordingStream client = pair.Open();
        client.Stream.Write("lost"u8, pair.Now);
        pair.Run(100_000);
        Assert.Equal(["refused HostUnreachable: no route to 10.0.0.1 "], client.Events);
        Assert.True(client.Stream.IsClosed);
        Assert.Equal(0, pair.Client.StreamCount + pair.Server.StreamCount);
        Assert.Equal(0, pair.Client.QueuedBytes);
        Assert.Equal(0, pair.ClientPool.InUse + pair.ServerPool.InUse);
    }

    [Fact]
    public void A_reset_throws_away_what_is_queued_and_closes_both_ends()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream client = pair.Open();
        pair.Run(1000);
        RecordingStream server = Assert.Single(pair.ServerEnd.Opened);
        server.Stream.Write(new byte[50_000], pair.Now);
        client.Stream.Write(new byte[100_000], pair.Now);
        client.Stream.Reset(RefuseCode.ConnectionReset, pair.Now);
        pair.Run(100_000);
        Assert.Empty(server.Received);
        Assert.Equal(["reset ConnectionReset"], server.Events);
        Assert.Empty(client.Received);
        Assert.Equal(0, pair.Client.StreamCount + pair.Server.StreamCount);
        Assert.Equal(0, pair.ClientPool.InUse + pair.ServerPool.InUse);
        client.Stream.Write("after"u8, pair.Now);
        Assert.Equal(0, client.Stream.SendSpace);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1472)]
    [InlineData(65_535)]
    public void A_datagram_keeps_its_boundaries(int size)
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream client = pair.Open(StreamKind.Udp);
        byte[] datagram = new byte[size];
        new Random(size).NextBytes(datagram);
        Assert.True(client.Stream.WriteDatagram(datagram, pair.Now));
        Assert.True(client.Stream.WriteDatagram([42], pair.Now));
        pair.Slice = () => 1000;
        pair.Run(200_000);
        List<byte[]> received = Assert.Single(pair.ServerEnd.Opened).Datagrams;
        Assert.Equal(2, received.Count);
        Assert.Equal(datagram, received[0]);
        Assert.Equal([42], received[1]);
    }

    [Fact]
    public void Datagrams_that_do_not_fit_the_queue_are_dropped_newest_first_and_counted()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream client = pair.Open(StreamKind.Udp);
        pair.Run(1000);
        pair.Cut();
        int accepted = 0;
        for (int i = 0; i < 1000; i++)
            accepted += client.Stream.WriteDatagram([.. BitConverter.GetBytes(i), .. new byte[996]], pair.Now) ? 1 : 0;
        Assert.InRange(accepted, 250, 263);
        Assert.Equal(1000 - accepted, pair.Client.Counters.DatagramsDropped);
        pair.Connect();
        pair.Run(1_000_000);
        List<byte[]> received = Assert.Single(pair.ServerEnd.Opened).Datagrams;
        Assert.Equal(Enumerable.Range(0, accepted), received.Select(d => BitConverter.ToInt32(d)));
    }

    [Fact]
    public void A_socket_can_be_read_straight_into_the_queue()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream client = pair.Open();
        pair.Run(1000);
        Span<byte> span = client.Stream.GetWriteSpan(100);
        Assert.NotEqual(0, span.Length);
        "direct"u8.CopyTo(span);
        client.Stream.Advance(6, pair.Now);
        pair.Run(1000);
        Assert.Equal("direct"u8.ToArray(), Assert.Single(pair.ServerEnd.Opened).Received);
    }

    [Fact]
    public void Streams_over_the_limit_are_refused_and_the_others_live_on()
    {
        SessionPair pair = SessionPair.Connected(new MuxSessionOptions { Version = "1", MaxPendingOpens = 2 });
        pair.ServerEnd.OnOpen = (_, _) => { };
        RecordingStream[] streams = [pair.Open(), pair.Open(), pair.Open()];
        pair.Run(1000);
        Assert.Empty(streams[0].Events);
        Assert.Equal(["refused NoResources: too many connections are open"], streams[2].Events);
        Assert.Equal(1, pair.Server.Counters.StreamsOverLimit);
        pair.ServerEnd.Opened[0].Stream.Accept([], pair.Now);
        pair.Run(1000);
        Assert.Equal(["accepted "], streams[0].Events);
    }

    [Fact]
    public void Open_gives_nothing_when_the_session_is_full_or_over()
    {
        SessionPair pair = SessionPair.Connected(new MuxSessionOptions { Version = "1", MaxStreams = 1 });
        pair.Open();
        Assert.Null(pair.Client.Open(StreamKind.Tcp, [], new RecordingStream(), pair.Now));
        pair.Client.End("bye", pair.Now);
        Assert.Null(pair.Client.Open(StreamKind.Tcp, [], new RecordingStream(), pair.Now));
    }
}
