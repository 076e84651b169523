using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Telepresence.Cli.Cluster;

/// <summary>Masks what a client sends (RFC 6455, section 5.3): each frame with four bytes that nobody could guess.</summary>
internal sealed class WebSocketMask
{
    private readonly byte[] _random = new byte[1024];
    private int _used;

    internal WebSocketMask() => _used = _random.Length;

    /// <summary>A new key, the first of its bytes lowest.</summary>
    internal uint Next()
    {
        if (_used == _random.Length)
        {
            RandomNumberGenerator.Fill(_random);
            _used = 0;
        }

        uint key = MemoryMarshal.Read<uint>(_random.AsSpan(_used));
        _used += sizeof(uint);
        return key;
    }

    /// <summary>Copies bytes masked.</summary>
    /// <returns>The key for the bytes behind them.</returns>
    internal static uint Copy(ReadOnlySpan<byte> source, Span<byte> target, uint key)
    {
        ReadOnlySpan<Vector<uint>> from = MemoryMarshal.Cast<byte, Vector<uint>>(source);
        Span<Vector<uint>> to = MemoryMarshal.Cast<byte, Vector<uint>>(target);
        Vector<uint> wide = new(key);
        for (int i = 0; i < from.Length; i++)
            to[i] = from[i] ^ wide;
        for (int i = from.Length * Vector<byte>.Count; i < source.Length; i++)
            target[i] = (byte)(source[i] ^ (byte)(key >> (8 * (i % sizeof(uint)))));
        return BitOperations.RotateRight(key, 8 * (source.Length % sizeof(uint)));
    }
}
