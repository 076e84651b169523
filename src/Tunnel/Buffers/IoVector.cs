using System.Runtime.CompilerServices;

namespace Telepresence.Tunnel.Buffers;

/// <summary>One piece of memory in a gathered write; the layout is that of <c>struct iovec</c> (readv(2)).</summary>
/// <remarks>The memory must be pinned for as long as the vector lives.</remarks>
public readonly unsafe struct IoVector
{
    /// <summary>Address of the first byte.</summary>
    public readonly byte* Base;

    /// <summary>Length in bytes.</summary>
    public readonly nuint Length;

    /// <summary>Names <paramref name="length"/> bytes at <paramref name="address"/>.</summary>
    public IoVector(byte* address, int length)
    {
        Base = address;
        Length = (nuint)length;
    }

    /// <summary>Names <paramref name="pinned"/>, which must be pinned or native memory.</summary>
    public IoVector(ReadOnlySpan<byte> pinned)
    {
        Base = (byte*)Unsafe.AsPointer(ref Unsafe.AsRef(in pinned.GetPinnableReference()));
        Length = (nuint)pinned.Length;
    }

    /// <summary>The bytes that this vector names.</summary>
    public ReadOnlySpan<byte> Span => new(Base, (int)Length);
}
