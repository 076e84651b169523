namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>A stream of bytes in which every position is known from seed and offset, so a lost, doubled or moved byte shows.</summary>
internal static class Pattern
{
    public static byte At(long seed, long offset)
    {
        ulong z = (ulong)(offset >> 3) * 0x9E3779B97F4A7C15 + (ulong)seed;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z ^= z >> 27;
        return (byte)(z >> (int)((offset & 7) * 8));
    }

    public static void Fill(Span<byte> bytes, long seed, long offset)
    {
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = At(seed, offset + i);
    }

    /// <summary>Index of the first byte that is wrong; -1 when all are right.</summary>
    public static int FirstError(ReadOnlySpan<byte> bytes, long seed, long offset)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] != At(seed, offset + i))
                return i;
        }
        return -1;
    }
}
