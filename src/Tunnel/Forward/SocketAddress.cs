using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// <c>struct sockaddr_in</c> or <c>sockaddr_in6</c>; see ip(7) and ipv6(7). The kernel's layout is written and read by offset.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = Size)]
internal unsafe struct SocketAddress
{
    internal const int Size = 28;
    private const int LengthIPv4 = 16, PortAt = 2, IPv4At = 4, IPv6At = 8;

    private fixed byte _bytes[Size];

    /// <summary>The address in its own family.</summary>
    internal SocketAddress(NetAddress address, ushort port)
        : this(address, port, address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6)
    {
    }

    /// <summary>The address for a socket of <paramref name="family"/>; on an IPv6 socket an IPv4 address is written in mapped form.</summary>
    internal SocketAddress(NetAddress address, ushort port, int family)
    {
        Span<byte> bytes = Bytes;
        MemoryMarshal.Write(bytes, (ushort)family);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[PortAt..], port);
        if (family == Libc.AF_INET)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes[IPv4At..], address.IPv4);
            return;
        }

        BinaryPrimitives.WriteUInt64BigEndian(bytes[IPv6At..], address.High);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[(IPv6At + 8)..], address.Low);
    }

    internal int Family => MemoryMarshal.Read<ushort>(Bytes);

    /// <summary>How many bytes of it the kernel reads.</summary>
    internal uint Length => Family == Libc.AF_INET ? LengthIPv4 : (uint)Size;

    internal ushort Port => BinaryPrimitives.ReadUInt16BigEndian(Bytes[PortAt..]);

    /// <summary>The address; the unspecified one when the family is neither IPv4 nor IPv6.</summary>
    internal NetAddress Address => Family switch
    {
        Libc.AF_INET => NetAddress.FromBytes(Bytes.Slice(IPv4At, 4)),
        Libc.AF_INET6 => NetAddress.FromBytes(Bytes.Slice(IPv6At, 16)),
        _ => default,
    };

    [UnscopedRef]
    private Span<byte> Bytes => MemoryMarshal.CreateSpan(ref _bytes[0], Size);
}
