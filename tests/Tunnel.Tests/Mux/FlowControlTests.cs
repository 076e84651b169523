using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

public sealed class FlowControlTests
{
    private const long Second = 1_000_000;

    [Fact]
    public void The_window_grows_until_it_fills_a_pipe_of_100_ms()
    {
        const long Rate = 40_000_000;
        var pair = new SessionPair { NewPipe = () => new FakePipe { Delay = 50_000, Rate = Rate, Capacity = 8 << 20 } };
        pair.Connect();
        pair.Run(Second);
        RecordingStream client = pair.Open();
        pair.Run(Second);
        RecordingStream server = pair.ServerEnd.Opened[0];
        AssertFills(pair, Rate, client, server);
        Assert.InRange(server.Stream.Window.Size, 4 << 20, 8 << 20);
    }

    // A port-forward: near, not fast, and its programs hand on more at once when more waits.
    [Fact]
    public void The_window_leaves_room_for_the_queue_that_the_link_should_have()
    {
        const long Rate = 55_000_000, Delay = 400;
        var pair = new SessionPair { NewPipe = () => new FakePipe { Delay = Delay, Rate = Rate, Capacity = 32 << 20 } };
        pair.Connect();
        pair.Run(Second);
        RecordingStream client = pair.Open();
        pair.Run(Second);
        byte[] block = new byte[65_536];
        Action each = () =>
        {
            while (client.Stream.SendSpace is > 0 and var space)
                client.Stream.Write(block.AsSpan(0, Math.Min(space, block.Length)), pair.Now);
        };
        each();
        pair.Run(Second, each);
        Assert.InRange(pair.ServerEnd.Opened[0].Stream.Window.Size, Rate * ((2 * Delay) + pair.Options.RelayedLinkQueue) / Second, 4 << 20);
    }

    // What the proxy sends is what a download needs, and only the client knows what the link leads through.
    [Theory]
    [InlineData(true, 256, 256)]
    [InlineData(false, 530, 700)]
    public void The_proxy_learns_from_the_hello_how_long_the_queue_of_a_link_should_be(bool direct, int least, int most)
    {
        var pair = new SessionPair(new MuxSessionOptions { Version = "1", DirectLink = direct, InitialWindow = 4 << 20 }, new MuxSessionOptions { Version = "1" })
        {
            NewPipe = static () => new FakePipe { Delay = 50, Rate = 55_000_000, Capacity = 32 << 20 },
        };
        pair.Connect();
        pair.Run(Second);
        RecordingStream client = pair.Open();
        pair.Run(Second);
        MuxStream server = pair.ServerEnd.Opened[0].Stream;
        byte[] block = new byte[65_536];
        Action each = () =>
        {
            while (server.SendSpace is > 0 and var space)
                server.Write(block.AsSpan(0, Math.Min(space, block.Length)), pair.Now);
        };
        each();
        pair.Run(Second, each);
        Assert.True(client.Received.Count > 1 << 20);
        Assert.InRange(pair.Server.LinkWindowSize, least << 10, most << 10);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void A_keystroke_hardly_waits_behind_bulk_although_the_link_would_take_megabytes(int bulk)
    {
        const long Rate = 20_000_000, Delay = 10_000;
        var pair = new SessionPair { NewPipe = () => new FakePipe { Delay = Delay, Rate = Rate, Capacity = 32 << 20 } };
        pair.Connect();
        pair.Run(Second);
        RecordingStream[] clients = [.. Enumerable.Range(0, bulk).Select(_ => pair.Open())];
        RecordingStream keys = pair.Open();
        pair.Run(Second);
        byte[] block = new byte[65_536];
        Action each = () =>
        {
            foreach (RecordingStream client in clients)
            {
                while (client.Stream.SendSpace is > 0 and var space)
                    client.Stream.Write(block.AsSpan(0, Math.Min(space, block.Length)), pair.Now);
            }
        };
        pair.Run(3 * Second, each);
        long before = pair.ServerEnd.Opened.Sum(server => (long)server.Received.Count), began = pair.Now;
        for (int i = 1; i <= 20; i++)
        {
            long pressed = pair.Now;
            keys.Stream.Write([1], pressed);
            while (pair.ServerEnd.Opened[bulk].Received.Count < i)
                pair.Run(1_000, each);

            // The floor of the window is what can stand before it; the link alone would hold a second and a half.
            long queued = Math.Max(bulk * pair.Options.MinLinkWindow, 2 * Delay * Rate / Second) * 3 / 2;
            Assert.InRange(pair.Now - pressed, Delay, Delay + (queued * Second / Rate) + 5_000);
            pair.Run(Second / 20, each);
        }

        // And the link is never idle.
        long received = pair.ServerEnd.Opened.Sum(server => (long)server.Received.Count) - before;
        Assert.InRange(received, Rate * (pair.Now - began) / Second * 95 / 100, long.MaxValue);
    }

    [Fact]
    public void A_window_that_does_not_hold_the_sender_back_stays_small()
    {
        var pair = new SessionPair { NewPipe = () => new FakePipe { Delay = 5_000, Rate = 2_000_000, Capacity = 100_000 } };
        pair.Connect();
        pair.Run(Second);
        RecordingStream client = pair.Open();
        pair.Run(Second);
        byte[] block = new byte[65_536];
        pair.Run(3 * Second, () => client.Stream.Write(block.AsSpan(0, Math.Min(client.Stream.SendSpace, block.Length)), pair.Now));
        Assert.Equal(pair.Options.InitialWindow, pair.ServerEnd.Opened[0].Stream.Window.Size);
    }

    [Fact]
    public void Windows_stop_growing_at_the_sessions_memory()
    {
        var pair = new SessionPair(new MuxSessionOptions { Version = "1", MaxReceiveMemory = 1 << 20 })
        {
            NewPipe = () => new FakePipe { Delay = 50_000, Capacity = 8 << 20 },
        };
        pair.Connect();
        pair.Run(Second);
        RecordingStream[] clients = [.. Enumerable.Range(0, 8).Select(_ => pair.Open())];
        pair.Run(Second);
        byte[] block = new byte[65_536];
        pair.Run(2 * Second, () =>
        {
            foreach (RecordingStream client in clients)
                client.Stream.Write(block.AsSpan(0, Math.Min(client.Stream.SendSpace, block.Length)), pair.Now);
            foreach (RecordingStream server in pair.ServerEnd.Opened)
                server.Received.Clear();
        });
        // Each stream has the early window, and what they have beyond it fills the memory but for less than a doubling.
        Assert.InRange(pair.ServerEnd.Opened.Sum(server => server.Stream.Window.Size - pair.Options.EarlyWindow), 1 << 19, 1 << 20);
        Assert.All(pair.ServerEnd.Opened, server => Assert.InRange(server.Stream.Window.Size, pair.Options.EarlyWindow, 1 << 20));
        Assert.All(pair.ServerEnd.Opened, server => Assert.InRange(server.Stream.Window.Received, 300_000, 1 << 24));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Thousands_of_idle_streams_do_not_keep_one_from_filling_the_pipe(bool upload)
    {
        const long Rate = 40_000_000;
        var pair = new SessionPair { NewPipe = () => new FakePipe { Delay = 50_000, Rate = Rate, Capacity = 8 << 20 } };
        pair.Connect();
        pair.Run(Second);
        for (int i = 0; i < 3_000; i++)
            pair.Open();
        pair.Run(Second);
        RecordingStream client = pair.Open();
        pair.Run(Second);
        RecordingStream server = pair.ServerEnd.Opened[^1];
        AssertFills(pair, Rate, upload ? client : server, upload ? server : client);
    }

    [Fact]
    public void A_stream_that_rests_gives_its_window_to_one_that_works()
    {
        var pair = new SessionPair(new MuxSessionOptions { Version = "1", MaxReceiveMemory = 1 << 20 })
        {
            NewPipe = () => new FakePipe { Delay = 50_000, Capacity = 8 << 20 },
        };
        pair.Connect();
        pair.Run(Second);
        RecordingStream[] clients = [pair.Open(), pair.Open()];
        pair.Run(Second);
        byte[] block = new byte[65_536];
        void Send(RecordingStream client) => client.Stream.Write(block.AsSpan(0, Math.Min(client.Stream.SendSpace, block.Length)), pair.Now);
        ReceiveWindow First() => pair.ServerEnd.Opened[0].Stream.Window;
        ReceiveWindow Other() => pair.ServerEnd.Opened[1].Stream.Window;

        pair.Run(2 * Second, () => Send(clients[0]));
        int grown = First().Size;
        Assert.InRange(grown, 1 << 19, 1 << 20);

        // The first one rests: what it was promised stays promised, but the second one grows nevertheless.
        pair.Run(2 * Second);
        long limit = First().Limit;
        pair.Run(2 * Second, () => Send(clients[1]));
        Assert.Equal(grown, Other().Size);
        Assert.Equal(pair.Options.EarlyWindow, First().Size);
        Assert.Equal(limit, First().Limit);
        Assert.InRange(clients[0].Stream.SendSpace, grown / 2, grown);

        // It speaks again: everything arrives, and it gets its window back only from what is free.
        pair.Run(500_000, () => { Send(clients[0]); Send(clients[1]); });
        Assert.InRange(First().Received, limit, long.MaxValue);
        Assert.InRange(First().Size + Other().Size - (2 * pair.Options.EarlyWindow), 1, 1 << 20);
    }

    [Fact]
    public void A_stream_whose_reader_has_stopped_does_not_count_as_resting()
    {
        var pair = new SessionPair(new MuxSessionOptions { Version = "1", MaxReceiveMemory = 1 << 19 })
        {
            NewPipe = () => new FakePipe { Delay = 50_000, Capacity = 8 << 20 },
        };
        pair.Connect();
        pair.Run(Second);
        RecordingStream stuck = pair.Open(), lively = pair.Open();
        pair.Run(Second);
        pair.ServerEnd.Opened[0].Consumes = false;
        int held = pair.ServerEnd.Opened[0].Stream.Window.Size;
        byte[] block = new byte[65_536];
        pair.Run(5 * Second, () =>
        {
            stuck.Stream.Write(block.AsSpan(0, Math.Min(stuck.Stream.SendSpace, block.Length)), pair.Now);
            lively.Stream.Write(block.AsSpan(0, Math.Min(lively.Stream.SendSpace, block.Length)), pair.Now);
        });
        Assert.Equal(held, pair.ServerEnd.Opened[0].Received.Count);
        Assert.Equal(held, pair.ServerEnd.Opened[0].Stream.Window.Size);
        Assert.InRange(pair.ServerEnd.Opened[1].Stream.Window.Size, held, 1 << 19);
    }

    [Fact]
    public void A_reader_that_has_stopped_blocks_nobody_else()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream stuck = pair.Open();
        RecordingStream lively = pair.Open();
        pair.Run(1000);
        pair.ServerEnd.Opened[0].Consumes = false;
        byte[] block = new byte[65_536];
        for (int i = 0; i < 100; i++)
        {
            stuck.Stream.Write(block.AsSpan(0, Math.Min(stuck.Stream.SendSpace, block.Length)), pair.Now);
            lively.Stream.Write(block.AsSpan(0, Math.Min(lively.Stream.SendSpace, block.Length)), pair.Now);
            pair.Run(10_000);
        }

        Assert.Equal(pair.Options.InitialWindow, pair.ServerEnd.Opened[0].Received.Count);
        Assert.Equal(0, stuck.Stream.SendSpace);
        Assert.Equal(100 * block.Length, pair.ServerEnd.Opened[1].Received.Count);

        int offers = stuck.SpaceOffers;
        pair.ServerEnd.Opened[0].Stream.Consume(pair.Options.InitialWindow, pair.Now);
        pair.Run(10_000);
        Assert.Equal(pair.Options.InitialWindow, stuck.Stream.SendSpace);
        Assert.Equal(offers + 1, stuck.SpaceOffers);
    }

    [Fact]
    public void All_streams_together_keep_to_the_memory_for_sending_and_are_told_when_there_is_some()
    {
        SessionPair pair = SessionPair.Connected(new MuxSessionOptions { Version = "1", MaxSendMemory = 100_000 });
        RecordingStream first = pair.Open();
        RecordingStream second = pair.Open();
        pair.Run(1000);
        Assert.Equal(100_000, first.Stream.SendSpace);
        first.Stream.Write(new byte[100_000], pair.Now);
        Assert.Equal(0, second.Stream.SendSpace);
        int offers = second.SpaceOffers;
        pair.Run(100_000);
        Assert.Equal(offers + 1, second.SpaceOffers);
        Assert.Equal(100_000, second.Stream.SendSpace);
    }

    [Fact]
    public void Writing_more_than_there_is_space_for_is_a_mistake_of_the_caller()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream stream = pair.Open();
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Stream.Write(new byte[stream.Stream.SendSpace + 1], pair.Now));
        Assert.Throws<InvalidOperationException>(() => stream.Stream.WriteDatagram([], pair.Now));
    }

    [Fact]
    public void An_accept_that_raises_the_limit_offers_the_space()
    {
        SessionPair pair = SessionPair.Connected();
        pair.ServerEnd.OnOpen = (stream, _) => stream.Consumes = false;
        RecordingStream client = pair.Open();
        client.Stream.Write(new byte[client.Stream.SendSpace], pair.Now);
        pair.Run(Second);
        Assert.Equal(0, client.SpaceOffers);
        Assert.Equal(0, client.Stream.SendSpace);
        pair.ServerEnd.Opened[0].Stream.Accept([], pair.Now);
        pair.Run(Second);
        Assert.True(client.Stream.SendSpace > 0);
        Assert.Equal(1, client.SpaceOffers);
    }

    [Fact]
    public void Space_that_was_promised_is_kept_although_other_streams_have_used_up_the_memory()
    {
        SessionPair pair = SessionPair.Connected(new MuxSessionOptions { Version = "1", MaxSendMemory = 100_000 });
        RecordingStream[] clients = [pair.Open(), pair.Open(), pair.Open()];
        pair.Run(Second);
        int[] promised = [.. clients.Select(client => client.Stream.SendSpace)];
        for (int i = 0; i < clients.Length; i++)
            clients[i].Stream.Write(new byte[promised[i]], pair.Now);
        Assert.All(clients, client => Assert.Equal(0, client.Stream.SendSpace));
        pair.Run(Second);
        Assert.Equal(promised, pair.ServerEnd.Opened.Select(server => server.Received.Count));
        Assert.All(clients, client => Assert.True(client.SpaceOffers > 0 && client.Stream.SendSpace > 0));
    }

    [Fact]
    public void More_than_the_peer_allows_is_never_taken()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream client = pair.Open();
        pair.Run(Second);
        int space = client.Stream.SendSpace;
        Assert.Throws<ArgumentOutOfRangeException>(() => client.Stream.Write(new byte[space + 1], pair.Now));
    }

    [Fact]
    public void A_stream_to_which_memory_left_only_a_little_is_told_when_there_is_more()
    {
        SessionPair pair = SessionPair.Connected(new MuxSessionOptions { Version = "1", MaxSendMemory = 100_000 });
        RecordingStream hog = pair.Open();
        RecordingStream other = pair.Open();
        pair.Run(Second);
        hog.Stream.Write(new byte[90_000], pair.Now);
        Assert.Equal(10_000, other.Stream.SendSpace);
        int offers = other.SpaceOffers;
        pair.Run(Second);
        Assert.Equal(offers + 1, other.SpaceOffers);
    }

    /// <summary>After three seconds of bulk the fourth carries what the pipe can.</summary>
    private static void AssertFills(SessionPair pair, long rate, RecordingStream from, RecordingStream to)
    {
        long received = 0;
        byte[] block = new byte[65_536];
        Action each = () =>
        {
            while (from.Stream.SendSpace is > 0 and var space)
                from.Stream.Write(block.AsSpan(0, Math.Min(space, block.Length)), pair.Now);
            received += to.Received.Count;
            to.Received.Clear();
        };
        pair.Run(3 * Second, each);
        received = 0;
        pair.Run(Second, each);

        // What the pipe carries in one piece counts where it ends, so one frame may be from the second before.
        Assert.InRange(received, rate * 9 / 10, rate + ushort.MaxValue);
    }
}
