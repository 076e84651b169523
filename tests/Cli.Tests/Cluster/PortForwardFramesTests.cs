using System.Buffers.Binary;

using Telepresence.Cli.Cluster;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Tests.Cluster;

// RFC 6455, section 5, byte by byte.
public sealed class PortForwardFramesTests
{
    private const byte Continuation = 0x00, Binary = 0x02, Close = 0x88, Ping = 0x89, Pong = 0x8a, Final = 0x80;

    // Port 7700 as each channel's first message.
    private static readonly byte[] Prefixes = [.. Frame(Binary | Final, [0, 0x14, 0x1e]), .. Frame(Binary | Final, [1, 0x14, 0x1e])];

    [Fact]
    public void The_slices_in_which_frames_come_do_not_matter()
    {
        Random random = new(3);
        byte[] payload = new byte[300_000];
        random.NextBytes(payload);
        List<byte> wire = [.. Prefixes];
        for (int begin = 0; begin < payload.Length;)
        {
            int length = Math.Min(payload.Length - begin, random.Next(4) switch { 0 => random.Next(3), 1 => random.Next(126), 2 => random.Next(5_000), _ => random.Next(90_000) });
            byte[] message = [0, .. payload.AsSpan(begin, length)];
            int cut = random.Next(message.Length + 1);
            if (random.Next(2) == 0)
                wire.AddRange([.. Frame(Binary, message[..cut]), .. Frame(Ping, [1, 2]), .. Frame(Continuation | Final, message[cut..])]);
            else
                wire.AddRange(Frame(Binary | Final, message));
            begin += length;
        }

        foreach (int longest in (int[])[1, 2, 7, 1_000, 100_000, wire.Count])
            Assert.Equal(payload, Unwrap(New(), [.. wire], () => 1 + random.Next(longest)));
    }

    [Fact]
    public void Whatever_comes_no_byte_of_it_throws()
    {
        Random random = new(5);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] wire = new byte[random.Next(400)];
            random.NextBytes(wire);

            // Some that begin like what a server sends.
            if (round % 2 == 0)
                wire = [.. Prefixes, .. Frame((byte)((random.Next(16) << 4) | random.Next(11)), wire), .. wire];
            PortForwardLink link = New();
            Unwrap(link, wire, () => 1 + random.Next(50));
            byte[] message = new byte[link.MaxMessage + link.Overhead];
            link.Wrap([], message);
        }
    }

    [Theory]
    [InlineData("c2 01 00", "reserved bits")]
    [InlineData("82 81 00 00 00 00 00", "a mask")]
    [InlineData("80 01 00", "a continuation of nothing")]
    [InlineData("02 01 00 82 01 00", "a message in a message")]
    [InlineData("83 00", "an unknown kind")]
    [InlineData("8b 00", "an unknown kind of control")]
    [InlineData("89 7e 00 7e", "a long ping")]
    [InlineData("09 00", "a ping in pieces")]
    [InlineData("82 7f ff ff ff ff ff ff ff ff", "a length below zero")]
    public void What_is_no_frame_ends_the_link(string hex, string what)
    {
        PortForwardLink link = New();
        Unwrap(link, Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)), static () => 100);
        Assert.True(link.End == "the API server sent what is not a WebSocket's frame", what);
    }

    [Fact]
    public void A_ping_is_answered_with_what_it_carries()
    {
        PortForwardLink link = New();

        // A frame that is not complete changes nothing about it.
        Unwrap(link, [.. Frame(Ping, [9, 8]), .. Frame(Ping, [1, 2, 3, 4, 5]), .. Frame(Pong, [6, 6, 6])[..^1]], static () => 3);
        Assert.True(link.HasOutput);

        byte[] message = new byte[link.MaxMessage + link.Overhead];
        int length = LinkCarrier.Wrap(link, [7], message);

        Assert.Equal((Pong, "0102030405", 11), Unmask(message));
        Assert.Equal((Binary | Final, "0007", length - 11), Unmask(message[11..]));
        Assert.False(link.HasOutput);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(124)]
    [InlineData(125)]
    [InlineData(65_534)]
    public void A_message_is_masked_anew_each_time(int count)
    {
        PortForwardLink link = New();
        byte[] bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        byte[] first = new byte[link.MaxMessage + link.Overhead], second = new byte[first.Length];
        int length = LinkCarrier.Wrap(link, bytes, first);
        LinkCarrier.Wrap(link, bytes, second);

        Assert.Equal((Binary | Final, "00" + Convert.ToHexString(bytes), length), Unmask(first));
        Assert.Equal((Binary | Final, "00" + Convert.ToHexString(bytes), length), Unmask(second));
        int header = length - count - 5;
        Assert.NotEqual(first[header..(header + 4)], second[header..(header + 4)]);
    }

    [Fact]
    public void Masks_do_not_run_out()
    {
        PortForwardLink link = New();
        byte[] message = new byte[link.MaxMessage + link.Overhead];
        HashSet<string> keys = [];
        for (int i = 0; i < 1_000; i++)
        {
            LinkCarrier.Wrap(link, [1, 2], message);
            keys.Add(Convert.ToHexString(message.AsSpan(2, 4)));
        }

        // Four random bytes each: that more than a few are alike is as good as impossible.
        Assert.InRange(keys.Count, 990, 1_000);
    }

    [Fact]
    public void A_long_reason_is_cut()
    {
        PortForwardLink link = New();
        Unwrap(link, [.. Prefixes, .. Frame(Binary | Final, [1, .. Enumerable.Repeat((byte)'x', 9_000)])], static () => 500);
        Assert.Equal(new string('x', 2048), link.End);
    }

    [Fact]
    public void Other_channels_are_passed_over()
    {
        PortForwardLink link = New();
        Assert.Equal([5], Unwrap(link, [.. Prefixes, .. Frame(Binary | Final, [7, 1, 2, 3]), .. Frame(Binary | Final, []), .. Frame(Binary | Final, [0, 5])], static () => 2));
        Assert.Null(link.End);
    }

    [Fact]
    public void A_close_without_a_reason_has_one()
    {
        PortForwardLink link = New();
        Unwrap(link, Frame(Close, [0x03, 0xe8]), static () => 10);
        Assert.Equal("the API server closed the port-forward", link.End);
    }

    private static PortForwardLink New() => new(new FileDescriptor(-1));

    private static byte[] Unwrap(PortForwardLink link, byte[] wire, Func<int> slice)
    {
        List<byte> taken = [];
        for (int begin = 0; begin < wire.Length;)
        {
            int length = Math.Min(slice(), wire.Length - begin);
            byte[] piece = wire[begin..(begin + length)];
            taken.AddRange(piece.AsSpan(0, link.Unwrap(piece)));
            begin += length;
        }

        return [.. taken];
    }

    // As a server sends it.
    private static byte[] Frame(byte first, byte[] payload)
    {
        byte[] length = new byte[8];
        switch (payload.Length)
        {
            case < 126:
                return [first, (byte)payload.Length, .. payload];
            case <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)payload.Length);
                return [first, 126, .. length[..2], .. payload];
            default:
                BinaryPrimitives.WriteInt64BigEndian(length, payload.Length);
                return [first, 127, .. length, .. payload];
        }
    }

    // As a server reads it: the first byte, the payload, the length of the whole frame.
    private static (int First, string Payload, int Length) Unmask(byte[] wire)
    {
        Assert.Equal(0x80, wire[1] & 0x80);
        int length = wire[1] & 0x7f, header = 2;
        Assert.NotEqual(127, length);
        if (length == 126)
        {
            length = BinaryPrimitives.ReadUInt16BigEndian(wire.AsSpan(2));
            header = 4;
        }

        byte[] key = wire[header..(header + 4)];
        byte[] payload = [.. wire.Skip(header + 4).Take(length).Select((value, i) => (byte)(value ^ key[i % 4]))];
        return (wire[0], Convert.ToHexString(payload), header + 4 + length);
    }
}
