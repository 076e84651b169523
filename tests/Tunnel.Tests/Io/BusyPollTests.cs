using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tests.Io;

public sealed class BusyPollTests
{
    [Fact]
    public void Who_has_not_slept_yet_sleeps_at_once() => Assert.Equal(0, new BusyPoll().Window);

    [Fact]
    public void Short_sleeps_make_it_look_for_longer_up_to_a_limit()
    {
        BusyPoll poll = new();
        List<long> windows = [];
        for (int i = 0; i < 6; i++)
        {
            poll.Slept(BusyPoll.Longest);
            windows.Add(poll.Window);
        }

        Assert.Equal([10, 20, 40, 80, 100, 100], windows);
    }

    [Fact]
    public void Long_sleeps_make_it_look_no_more()
    {
        BusyPoll poll = new();
        for (int i = 0; i < 6; i++)
            poll.Slept(1);
        List<long> windows = [];
        for (int i = 0; i < 5; i++)
        {
            poll.Slept(BusyPoll.Longest + 1);
            windows.Add(poll.Window);
        }

        Assert.Equal([50, 25, 12, 0, 0], windows);
    }

    [Fact]
    public void One_long_sleep_among_short_ones_costs_little()
    {
        BusyPoll poll = new();
        for (int i = 0; i < 6; i++)
            poll.Slept(1);
        poll.Slept(1_000_000);
        poll.Slept(1);
        Assert.Equal(BusyPoll.Longest, poll.Window);
    }
}
