using System.Buffers.Text;
using System.Security.Cryptography;

namespace Telepresence.PracticeCluster.Node;

/// <summary>
/// An endless stream of known bytes: blocks of 64 KiB, each of them 16 bytes with the block's own offset in decimal and
/// then a pattern without a period. What is lost, doubled or moved changes the checksum, and the offsets show where.
/// </summary>
public static class DeterministicBytes
{
    public const int BlockSize = 65536;
    private static readonly byte[] Pattern = MakePattern();

    /// <summary>Fills a block of <see cref="BlockSize"/> bytes with what stands at <paramref name="offset"/>, a multiple of it.</summary>
    public static void FillBlock(Span<byte> block, long offset)
    {
        Pattern.CopyTo(block);
        Utf8Formatter.TryFormat(offset, block, out _, new System.Buffers.StandardFormat('D', 15));
        block[15] = (byte)'\n';
    }

    /// <summary>Lower-case hexadecimal SHA-256 of the first <paramref name="length"/> bytes.</summary>
    public static string Sha256(long length)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] block = new byte[BlockSize];
        for (long offset = 0; offset < length; offset += BlockSize)
        {
            FillBlock(block, offset);
            hash.AppendData(block, 0, (int)Math.Min(BlockSize, length - offset));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static byte[] MakePattern()
    {
        byte[] pattern = new byte[BlockSize];
        uint state = 1;
        for (int i = 0; i < pattern.Length; i++)
        {
            // Numerical Recipes' linear congruential generator; its upper byte has no short period.
            state = (state * 1664525) + 1013904223;
            pattern[i] = (byte)(state >> 24);
        }

        return pattern;
    }
}
