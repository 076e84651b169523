namespace Telepresence.Dns.Tests;

/// <summary>Changes messages at random, the same way for the same seed: bits, interesting values, cuts, insertions, splices.</summary>
internal sealed class Mutator(int seed, IReadOnlyList<byte[]> corpus)
{
    private static readonly byte[] Interesting = [0, 1, 12, 40, 41, 63, 64, 0x7F, 0x80, 0xBF, 0xC0, 0xFF];

    private readonly Random _random = new(seed);

    public int Next(int limit) => _random.Next(limit);

    public byte[] Pick() => corpus[_random.Next(corpus.Count)];

    public byte[] Mutate(byte[] original)
    {
        var bytes = new List<byte>(original);
        for (var changes = _random.Next(4); changes > 0 && bytes.Count > 0; changes--)
        {
            var at = _random.Next(bytes.Count);
            switch (_random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1:
                    bytes[at] = Interesting[_random.Next(Interesting.Length)];
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(_random.Next(1, 9), bytes.Count - at));
                    break;
                case 3:
                    bytes.Insert(at, (byte)_random.Next(256));
                    break;
                case 4:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 5: // a pointer to anywhere
                    bytes[at] = (byte)(0xC0 | _random.Next(2));
                    if (at + 1 < bytes.Count) bytes[at + 1] = (byte)_random.Next(256);
                    break;
                default:
                    var other = Pick();
                    bytes.InsertRange(at, other.AsSpan(_random.Next(other.Length)).ToArray());
                    break;
            }
        }
        return [.. bytes];
    }
}
