using System.Buffers.Binary;
using System.Net;
using System.Text;

using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>Answers to <see cref="PreloadMessage"/>: a kind, an errno or status, then as the question has it.</summary>
internal static class PreloadAnswer
{
    private const byte Mapped = 0, IsDirect = 1, IsError = 2;
    private const int MaxAddresses = 64, MaxName = 255;

    /// <summary>Use the address itself.</summary>
    internal static ReadOnlySpan<byte> Direct => [IsDirect, 0, 0, 0];

    /// <summary>The verdict on a TCP connection: the far side has taken it.</summary>
    internal static ReadOnlySpan<byte> Connected => [Mapped, 0, 0, 0];

    /// <summary>Fail with this errno.</summary>
    internal static byte[] Error(int errno) => [IsError, (byte)errno, 0, 0];

    /// <summary>An address and a port: a stand-in, or what one stands for.</summary>
    internal static byte[] Endpoint(NetAddress address, ushort port)
    {
        byte[] bytes = new byte[PreloadMessage.EndpointLength];
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), port);
        WriteAddress(bytes.AsSpan(PreloadMessage.HeaderLength), address);
        return bytes;
    }

    /// <summary>Addresses and the name that they belong to.</summary>
    internal static byte[] Addresses(IReadOnlyList<IPAddress> addresses, string canonicalName)
    {
        int count = Math.Min(addresses.Count, MaxAddresses);
        byte[] name = Encoding.ASCII.GetBytes(canonicalName.Length > MaxName ? canonicalName[..MaxName] : canonicalName);
        byte[] bytes = new byte[PreloadMessage.HeaderLength + count * PreloadMessage.AddressLength + name.Length];
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), (ushort)count);
        for (int i = 0; i < count; i++)
            WriteAddress(bytes.AsSpan(PreloadMessage.HeaderLength + i * PreloadMessage.AddressLength), NetAddress.FromIPAddress(addresses[i]));
        name.CopyTo(bytes.AsSpan(bytes.Length - name.Length));
        return bytes;
    }

    /// <summary>Bytes behind a header: a name, or a DNS message.</summary>
    internal static byte[] Bytes(ReadOnlySpan<byte> bytes) => [Mapped, (byte)PreloadNameStatus.Ok, 0, 0, .. bytes];

    /// <summary>A name was not found.</summary>
    internal static byte[] NoName(PreloadNameStatus status) => [Mapped, (byte)status, 0, 0];

    /// <summary>The errno that connect(2) would have had in the pod.</summary>
    internal static int ToErrno(RefuseCode code) => code switch
    {
        RefuseCode.HostUnreachable or RefuseCode.Prohibited or RefuseCode.NoResources => Libc.EHOSTUNREACH,
        RefuseCode.NetUnreachable or RefuseCode.SessionEnded => Libc.ENETUNREACH,
        RefuseCode.TimedOut => Libc.ETIMEDOUT,
        RefuseCode.AddressNotAvailable => Libc.EADDRNOTAVAIL,
        RefuseCode.ConnectionReset => Libc.ECONNRESET,
        _ => Libc.ECONNREFUSED,
    };

    private static void WriteAddress(Span<byte> destination, NetAddress address)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, address.High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], address.Low);
    }
}
