namespace Telepresence.Dns.Tests;

public sealed class TcpFramerTests
{
    private static void Feed(DnsTcpFramer framer, params byte[] bytes)
    {
        bytes.CopyTo(framer.Free);
        framer.Advance(bytes.Length);
    }

    [Fact]
    public void Cuts_messages_however_the_bytes_arrive()
    {
        var framer = new DnsTcpFramer(100);
        foreach (var b in (byte[])[0, 3, 1, 2]) Feed(framer, b);
        Assert.False(framer.TryTake(out _));
        Assert.True(framer.HasPartialMessage);
        Feed(framer, 3, 0, 1, 9, 0);
        Assert.True(framer.TryTake(out var first));
        Assert.Equal([1, 2, 3], first.ToArray());
        Assert.True(framer.TryTake(out var second));
        Assert.Equal([9], second.ToArray());
        Assert.False(framer.TryTake(out _));
        Feed(framer, 1, 7);
        Assert.True(framer.TryTake(out var third));
        Assert.Equal([7], third.ToArray());
        Assert.False(framer.HasPartialMessage);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(101)]
    public void An_impossible_length_breaks_the_connection(byte length)
    {
        var framer = new DnsTcpFramer(100);
        Feed(framer, 0, length);
        Assert.False(framer.TryTake(out _));
        Assert.True(framer.IsBroken);
        Assert.True(framer.Free.IsEmpty);
    }

    [Fact]
    public void There_is_always_room_for_the_rest_of_a_message()
    {
        var framer = new DnsTcpFramer(100);
        for (var i = 0; i < 50; i++)
        {
            Feed(framer, [0, 100, .. new byte[60]]);
            Assert.False(framer.TryTake(out _));
            Assert.True(framer.Free.Length >= 40);
            Feed(framer, new byte[40]);
            Assert.True(framer.TryTake(out var message));
            Assert.Equal(100, message.Length);
        }
    }
}
