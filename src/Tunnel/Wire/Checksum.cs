using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// The Internet checksum (RFC 1071). Sums are taken in the machine's byte order, which the one's complement
/// sum allows (RFC 1071 §2.B): results are stored with a native write, never byte-swapped. A running sum is a
/// <see cref="ulong"/> of 32-bit lanes that can take gigabytes before it needs folding.
/// </summary>
internal static class Checksum
{
    /// <summary>Adds bytes that begin at an even offset of the summed data. An odd last byte is padded with zero.</summary>
    public static ulong Add(ulong sum, ReadOnlySpan<byte> bytes)
    {
        ref var start = ref MemoryMarshal.GetReference(bytes);
        nuint i = 0;
        var n = (nuint)bytes.Length;
        if (Vector128.IsHardwareAccelerated && n >= 32)
        {
            // 32-bit lanes widened into 64-bit accumulators; four of them hide the latency of the adds. 128 bits, which every machine
            // has: a native program cannot choose when it runs.
            var mask = Vector128.Create(0xffff_ffffUL);
            Vector128<ulong> a = default, b = default, c = default, d = default;
            for (; i + 32 <= n; i += 32)
            {
                var x = Vector128.LoadUnsafe(ref start, i).AsUInt64();
                var y = Vector128.LoadUnsafe(ref start, i + 16).AsUInt64();
                a += x & mask;
                b += Vector128.ShiftRightLogical(x, 32);
                c += y & mask;
                d += Vector128.ShiftRightLogical(y, 32);
            }
            sum += Vector128.Sum(a + b + c + d);
        }
        for (; i + 4 <= n; i += 4)
            sum += Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref start, i));
        if (i + 2 <= n)
        {
            sum += Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref start, i));
            i += 2;
        }
        if (i < n)
            sum += BitConverter.IsLittleEndian ? Unsafe.Add(ref start, i) : (ulong)Unsafe.Add(ref start, i) << 8;
        return sum;
    }

    /// <summary>Adds a 16-bit number given in host order, as it would stand in network order in the data.</summary>
    public static ulong Add(ulong sum, ushort hostOrder) =>
        sum + (BitConverter.IsLittleEndian ? System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(hostOrder) : hostOrder);

    /// <summary>Adds bytes that begin at an odd offset: their own folded sum with its two bytes exchanged (RFC 1071 §2.B).</summary>
    public static ulong AddOdd(ulong sum, ReadOnlySpan<byte> bytes) =>
        sum + System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(Fold(Add(0, bytes)));

    /// <summary>The pseudo header (RFC 9293 §3.1, RFC 8200 §8.1). Its sum is the same in both versions: a mapped prefix is left out.</summary>
    public static ulong PseudoHeader(in NetAddress source, in NetAddress destination, byte protocol, int length)
    {
        Span<byte> bytes = stackalloc byte[32];
        var n = source.CopyTo(bytes);
        n += destination.CopyTo(bytes[n..]);
        var sum = Add(0, bytes[..n]);
        return Add(Add(sum, protocol), (ushort)length) + (length > ushort.MaxValue ? Add(0, (ushort)(length >> 16)) : 0);
    }

    /// <summary>The sum in 16 bits, not complemented. Valid data with its checksum inside folds to 0xffff.</summary>
    public static ushort Fold(ulong sum)
    {
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)((sum & 0xffff) + (sum >> 16));
    }

    /// <summary>The value for the checksum field (native byte order).</summary>
    public static ushort Finish(ulong sum) => (ushort)~Fold(sum);

    /// <summary>Whether data that contains its own checksum sums up right.</summary>
    public static bool IsValid(ulong sum) => Fold(sum) == 0xffff;
}
