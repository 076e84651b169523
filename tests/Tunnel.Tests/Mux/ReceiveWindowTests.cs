using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

public sealed class ReceiveWindowTests
{
    private const int KB = 1024, MB = 1024 * KB, Ms = 1_000;

    [Theory]
    [InlineData(64 * KB, 32 * KB)]
    [InlineData(256 * KB, 128 * KB)]
    [InlineData(MB, 256 * KB)]
    [InlineData(8 * MB, MB)]
    public void A_new_limit_is_due_when_a_part_has_gone(int size, int part)
    {
        ReceiveWindow window = new(size, size, 0);
        Assert.True(window.TryReceive(size));
        Assert.False(window.Consume(part - 1));
        Assert.True(window.Consume(1));
        window.Update(0);
        Assert.Equal(size + part, window.Limit);
    }

    // What was just short of a part waits for the next round trip, and that must not be half of what could have been moved.
    [Fact]
    public void A_sender_far_away_moves_nearly_a_window_in_each_round_trip()
    {
        const int size = 8 * MB, inRound = 64 * KB - 7;
        ReceiveWindow window = new(size, size, 0);
        long sent = 0, rounds = 20;
        for (int round = 0; round < rounds; round++)
        {
            long limit = window.Limit;
            while (sent < limit)
            {
                int count = (int)Math.Min(inRound, limit - sent);
                sent += count;
                Assert.True(window.TryReceive(count));

                // A few bytes stay in the reader's hands until the next piece.
                if (window.Consume(sent == limit ? count - 1 : count))
                    window.Update(round * 100 * Ms);
            }
        }

        Assert.InRange(sent, rounds * size * 6 / 7, long.MaxValue);
    }

    [Theory]
    [InlineData(256 * KB, 128 * KB, 20 * Ms, 39 * Ms, true)]
    [InlineData(256 * KB, 128 * KB, 20 * Ms, 41 * Ms, false)]
    [InlineData(4 * MB, 512 * KB, 20 * Ms, 9 * Ms, true)]
    [InlineData(4 * MB, 512 * KB, 20 * Ms, 11 * Ms, false)]
    [InlineData(8 * MB, MB, 20 * Ms, 1 * Ms, false)]
    public void A_window_grows_when_a_quarter_goes_in_each_round_trip(int size, int part, long roundTrip, long after, bool grows)
    {
        ReceiveWindow window = new(size, size, 0);
        window.TryReceive(size);
        Assert.True(window.Consume(part));
        Assert.Equal(grows, window.WantsGrowth(roundTrip, 8 * MB, after));
    }
}
