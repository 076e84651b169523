using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

public sealed class LinkWindowTests
{
    private const int KiB = 1024;
    private const long Second = 1_000_000;

    private static readonly MuxSessionOptions Options = new() { Version = "1", LinkWindow = 512 * KiB, MinLinkWindow = 256 * KiB, MaxLinkWindow = 32 * KiB * KiB, DirectLinkQueue = 250, RelayedLinkQueue = 10_000 };

    private LinkWindow _window = new(Options);
    private long _now = Second;
    private long _sequence;

    [Fact]
    public void It_doubles_while_it_leaves_the_link_idle()
    {
        Rounds(3, roundTrip: 20_000);
        Assert.Equal(4096 * KiB, _window.Size);
        Rounds(10, roundTrip: 20_000);
        Assert.Equal(Options.MaxLinkWindow, _window.Size);
    }

    [Theory]
    [InlineData(1_000_000_000, 200, true)]
    [InlineData(100_000_000, 200, false)]
    [InlineData(100_000_000, 20_000, true)]
    [InlineData(100_000_000, 20_000, false)]
    [InlineData(50_000_000, 100_000, false)]
    public void It_settles_where_the_queue_is_as_long_as_it_should_be(long rate, long roundTrip, bool direct)
    {
        _window.Restart(direct);
        _window.Seen(roundTrip, _now);
        for (int i = 0; i < 100; i++)
            Rounds(1, Math.Max(roundTrip, _window.Size * Second / rate));
        long queue = Math.Max(direct ? Options.DirectLinkQueue : Options.RelayedLinkQueue, roundTrip / 4);
        long wanted = rate * (roundTrip + queue) / Second;
        Assert.InRange(_window.Size, wanted * 9 / 10, wanted * 11 / 10);
    }

    [Fact]
    public void A_round_now_and_then_that_takes_long_does_not_shrink_it()
    {
        _window.Restart(direct: true);
        _window.Seen(200, _now);
        for (int i = 0; i < 20; i++)
        {
            Rounds(3, roundTrip: 10_000);
            Rounds(1, roundTrip: 450);
        }

        Assert.Equal(Options.LinkWindow, _window.Size);
    }

    [Theory]
    [InlineData(1, 256)]
    [InlineData(8, 2048)]
    [InlineData(1000, 4096)]
    public void It_never_shrinks_below_a_floor_that_streams_raise(int streams, int floor)
    {
        _window.Seen(200, _now);
        Rounds(100, roundTrip: 50_000, streams);
        Assert.Equal(floor * KiB, _window.Size);
    }

    [Fact]
    public void A_sender_that_it_does_not_hold_back_leaves_it_as_it_is()
    {
        Rounds(10, roundTrip: 200, streams: 0);
        Rounds(10, roundTrip: 50_000, streams: 0);
        Assert.Equal(Options.LinkWindow, _window.Size);
    }

    [Fact]
    public void A_way_that_has_become_longer_is_learnt()
    {
        Rounds(4, roundTrip: 1_000);
        Rounds(24, roundTrip: 200_000);
        Assert.Equal(Options.MinLinkWindow, _window.Size);
        _now += 61 * Second;
        Rounds(1, roundTrip: 200_000);
        _now += 31 * Second;
        Rounds(8, roundTrip: 200_000);
        Assert.InRange(_window.Size, 4 * Options.MinLinkWindow, Options.MaxLinkWindow);
    }

    [Theory]
    [InlineData(10_000_000, 20_000, false)]
    [InlineData(1_000_000_000, 50, true)]
    public void Bulk_that_never_pauses_does_not_make_its_own_queue_the_measure(long rate, long roundTrip, bool direct)
    {
        _window.Restart(direct);
        _window.Seen(roundTrip, _now);
        long most = 0;
        for (long end = _now + (600 * Second); _now < end;)
        {
            Rounds(1, roundTrip + (_window.Size * Second / rate));
            most = Math.Max(most, _window.Size);
        }

        long queue = direct ? Options.DirectLinkQueue : Options.RelayedLinkQueue;
        Assert.InRange(most, Options.MinLinkWindow, 3 * Math.Max(Options.MinLinkWindow, rate * (roundTrip + queue) / Second));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void A_slow_first_answer_is_corrected_when_the_window_is_drained_two_seconds_later(int streams)
    {
        const long Rate = 1_000_000_000;
        _window = new LinkWindow(new MuxSessionOptions { Version = "1" });
        _window.Restart(direct: true);
        _window.Seen(2_800, _now);
        Rounds(20, roundTrip: 3_000, streams);
        Assert.InRange(_window.Size, 4096 * KiB, Options.MaxLinkWindow);
        for (long end = _now + (4 * Second); _now < end;)
            Rounds(1, 50 + (_window.Size * Second / Rate), streams);
        Assert.InRange(_window.Size, 0, 2 * streams * Options.MinLinkWindow);
    }

    [Fact]
    public void A_window_that_nobody_fills_is_not_drained()
    {
        Rounds(4, roundTrip: 20_000);
        int size = _window.Size;
        for (int i = 0; i < 20; i++)
        {
            Rounds(1, roundTrip: 20_000, streams: 0);
            _now += 3 * Second;
        }

        Rounds(1, roundTrip: 20_000 + (Options.RelayedLinkQueue * 3 / 4));
        Assert.Equal(size, _window.Size);
    }

    [Fact]
    public void What_it_was_before_it_was_drained_is_forgotten_after_a_while()
    {
        Rounds(8, roundTrip: 20_000);
        _now += 3 * Second;
        Rounds(1, roundTrip: 20_000);
        Assert.Equal(Options.MinLinkWindow / 4, _window.Size);
        _now += 31 * Second;
        Rounds(1, roundTrip: 20_000);
        Assert.InRange(_window.Size, 0, Options.LinkWindow);
    }

    [Fact]
    public void A_new_link_begins_anew_and_what_is_on_its_way_stays_so()
    {
        _window.Add(300 * KiB);
        _window.Begun(7, _now);
        Rounds(3, roundTrip: 20_000);
        _window.Restart(direct: false);
        Assert.Equal(Options.LinkWindow, _window.Size);
        Assert.False(_window.IsFull);
        _window.Add(212 * KiB);
        Assert.True(_window.IsFull);
        Assert.True(_window.HasReserve);
        _window.Add(128 * KiB);
        Assert.False(_window.HasReserve);
        _window.Add(-640 * KiB);
        Assert.Equal(0, _window.InFlight);
    }

    private void Rounds(int count, long roundTrip, int streams = 1)
    {
        for (int i = 0; i < count; i++)
        {
            _window.Begun(++_sequence, _now);
            if (streams > 0)
                _window.Limited(streams);
            _now += roundTrip;
            _window.Acknowledged(_sequence, _now);
            _window.Acknowledged(_sequence + 1, _now);
        }
    }
}
