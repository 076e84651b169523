using System.Buffers.Binary;
using System.Net;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// An IPv4 or IPv6 address as two 64-bit numbers in host order. IPv4 is kept in its mapped form
/// <c>::ffff:a.b.c.d</c> (RFC 4291 §2.5.5.2), so that one key type serves both versions.
/// </summary>
/// <param name="High">The first eight bytes, as a big-endian number.</param>
/// <param name="Low">The last eight bytes, as a big-endian number.</param>
public readonly record struct NetAddress(ulong High, ulong Low)
{
    private const ulong MappedPrefix = 0xffff_0000_0000;

    /// <summary>Whether this is an IPv4 address (in mapped form).</summary>
    public bool IsIPv4 => High == 0 && Low >> 32 == 0xffff;

    /// <summary>The address as an IPv4 number, host order; meaningful only when <see cref="IsIPv4"/>.</summary>
    public uint IPv4 => (uint)Low;

    /// <summary>Multicast (224.0.0.0/4, ff00::/8) or the IPv4 limited broadcast: nothing a unicast flow can go to.</summary>
    public bool IsMulticastOrBroadcast => IsIPv4 ? IPv4 >= 0xe000_0000 && (IPv4 < 0xf000_0000 || IPv4 == uint.MaxValue) : High >> 56 == 0xff;

    /// <summary>0.0.0.0 or ::.</summary>
    public bool IsUnspecified => High == 0 && (Low == 0 || Low == MappedPrefix);

    /// <summary>An IPv4 address from its number in host order.</summary>
    public static NetAddress FromIPv4(uint address) => new(0, MappedPrefix | address);

    /// <summary>An address from 4 or 16 bytes in network order.</summary>
    /// <exception cref="ArgumentException">Any other length.</exception>
    public static NetAddress FromBytes(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        4 => FromIPv4(BinaryPrimitives.ReadUInt32BigEndian(bytes)),
        16 => new(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..])),
        _ => throw new ArgumentException("An address has 4 or 16 bytes.", nameof(bytes)),
    };

    /// <summary>The same address; a scope id is dropped.</summary>
    public static NetAddress FromIPAddress(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var written);
        return FromBytes(bytes[..written]);
    }

    /// <summary>Parses dotted or colon notation.</summary>
    /// <exception cref="FormatException">Not an address.</exception>
    public static NetAddress Parse(string text) => FromIPAddress(IPAddress.Parse(text));

    /// <summary>The platform's type for the same address; IPv4 comes back as IPv4, not mapped.</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        return new IPAddress(bytes[..CopyTo(bytes)]);
    }

    /// <summary>Writes 4 bytes (IPv4) or 16 (IPv6) in network order and returns how many.</summary>
    public int CopyTo(Span<byte> destination)
    {
        if (IsIPv4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, IPv4);
            return 4;
        }
        BinaryPrimitives.WriteUInt64BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], Low);
        return 16;
    }

    /// <summary>Dotted or colon notation.</summary>
    public override string ToString() => ToIPAddress().ToString();
}
