using System.Buffers.Binary;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Wire;

public class ChecksumTests
{
    [Fact]
    public void The_example_of_RFC_1071_sums_to_ddf2() =>
        Assert.Equal(0xddf2, BinaryPrimitives.ReverseEndianness(Checksum.Fold(Checksum.Add(0, [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]))));

    [Fact]
    public void A_known_IPv4_header_is_valid_and_any_flipped_bit_is_not()
    {
        byte[] header = Convert.FromHexString("450000730000400040 11b861c0a80001c0a800c7".Replace(" ", ""));
        Assert.True(Checksum.IsValid(Checksum.Add(0, header)));
        for (int bit = 0; bit < header.Length * 8; bit++)
        {
            header[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.False(Checksum.IsValid(Checksum.Add(0, header)));
            header[bit / 8] ^= (byte)(1 << bit % 8);
        }
    }

    [Fact]
    public void Every_length_and_content_gives_what_adding_16_bit_words_gives()
    {
        var random = new Random(1);
        byte[] bytes = new byte[70_000];
        random.NextBytes(bytes);
        bytes.AsSpan(1_000, 3_000).Fill(0xff); // many carries
        foreach (int length in Enumerable.Range(0, 300).Concat([1_460, 1_461, 4_095, 65_483, 65_535, 70_000]))
        {
            int start = random.Next(0, 32) % (bytes.Length - length + 1);
            Assert.Equal(Reference(bytes.AsSpan(start, length)), Checksum.Fold(Checksum.Add(0, bytes.AsSpan(start, length))));
        }
    }

    [Fact]
    public void Pieces_may_begin_at_odd_offsets()
    {
        var random = new Random(2);
        byte[] bytes = new byte[4_001];
        random.NextBytes(bytes);
        for (int i = 0; i < 200; i++)
        {
            int cut = random.Next(0, bytes.Length);
            ulong sum = Checksum.Add(0, bytes.AsSpan(0, cut));
            sum = cut % 2 == 0 ? Checksum.Add(sum, bytes.AsSpan(cut)) : Checksum.AddOdd(sum, bytes.AsSpan(cut));
            Assert.Equal(Checksum.Fold(Checksum.Add(0, bytes)), Checksum.Fold(sum));
        }
    }

    private static ushort Reference(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i += 2)
        {
            sum += (uint)(bytes[i] << 8 | (i + 1 < bytes.Length ? bytes[i + 1] : 0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return BinaryPrimitives.ReverseEndianness((ushort)sum);
    }
}
