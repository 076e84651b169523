namespace Telepresence.Rig.Load;

/// <summary>
/// The bytes of a bulk transfer: a block of seeded noise, over and over. Its length is a prime number, so bytes that are lost, doubled or
/// swapped by any usual buffer size do not fit what the receiver expects.
/// </summary>
internal sealed class Pattern
{
    private const int BlockLength = 1_048_573;

    // Twice in a row, so that every run of up to a block is contiguous.
    private readonly byte[] _bytes = new byte[2 * BlockLength];
    private int _position;

    internal Pattern()
    {
        new Random(20_170).NextBytes(_bytes.AsSpan(0, BlockLength));
        _bytes.AsSpan(0, BlockLength).CopyTo(_bytes.AsSpan(BlockLength));
    }

    /// <summary>The next <paramref name="count"/> bytes, at most a block.</summary>
    internal ReadOnlySpan<byte> Peek(int count) => _bytes.AsSpan(_position, Math.Min(count, BlockLength));

    /// <summary>Goes on by <paramref name="count"/> bytes.</summary>
    internal void Advance(int count) => _position = (_position + count) % BlockLength;

    /// <summary>Compares what came with what had to come, and goes on.</summary>
    /// <exception cref="InvalidDataException">It differs: the path is not a byte stream.</exception>
    internal void Verify(ReadOnlySpan<byte> received)
    {
        if (!received.SequenceEqual(Peek(received.Length)))
            throw new InvalidDataException("The received bytes are not those that were sent.");
        Advance(received.Length);
    }
}
