using System.Globalization;

using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>Local ports for thousands of connections to one place, most of them closed already.</summary>
/// <remarks>
/// <para>A port stays in TIME-WAIT for a minute after a connection to the same place that this side closed first. By itself connect(2) tries one
/// half of the range before the other, port by port: with half of it waiting each call takes milliseconds, and with all of it waiting there
/// is no port. So the kernel is told to look in a small part of the range, another one each time (IP_LOCAL_PORT_RANGE of ip(7), since
/// Linux 6.3; an older kernel looks everywhere). Not where ports are reserved: a part may have no others.</para>
/// <para>Where it finds none, a port is taken by name: then, and if both sides have timestamps, it may be one that waits (RFC 6191). The kernel
/// goes on from the numbers of the connection before. Kernels before 6.18 give a port that was taken by name to nobody who asks for any, as
/// long as it waits; so names come from a quarter of the range, and the rest is left to the other programs of the pod.</para>
/// </remarks>
internal static class EphemeralPorts
{
    private const int PartLength = 64;

    private static readonly NetAddress AnyIPv4 = NetAddress.Parse("0.0.0.0"), AnyIPv6 = NetAddress.Parse("::");
    private static readonly (int First, int Last) Range = ReadRange();
    private static readonly (int First, int Last)[] Reserved = ReadReserved();

    /// <summary>connect(2) from a port of the range.</summary>
    /// <returns>0 or errno: EADDRNOTAVAIL when no port was found, which is worth another try with another socket.</returns>
    internal static int Connect(FileDescriptor socket, NetAddress address, ushort port)
    {
        int first = Random.Shared.Next(Range.First, Math.Max(Range.First, Range.Last - PartLength + 1) + 1);
        int error = Reserved.Length > 0
            ? Connect(socket, address, port, 0, 0)
            : Connect(socket, address, port, first, Math.Min(first + PartLength - 1, Range.Last));
        if (error != Libc.EADDRNOTAVAIL)
            return error;
        int named = Random.Shared.Next(Range.Last - (Range.Last - Range.First) / 4, Range.Last + 1);
        return named == port || IsReserved(named) ? error : ConnectFrom(socket, address, port, (ushort)named);
    }

    /// <summary>connect(2) from a port of a part of the range; of all of it when both ends are 0.</summary>
    /// <returns>0 or errno.</returns>
    internal static int Connect(FileDescriptor socket, NetAddress address, ushort port, int first, int last)
    {
        // For later: only who has allowed it can be followed by another socket.
        SocketOptions.Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        SocketOptions.Set(socket.Number, Libc.IPPROTO_IP, Libc.IP_LOCAL_PORT_RANGE, last << 16 | first);
        return SocketOptions.Connect(socket, address, port);
    }

    /// <summary>connect(2) from one port, of which earlier connections to the same place may be in TIME-WAIT.</summary>
    /// <returns>0 or errno: EADDRNOTAVAIL also when the port could not be had, which says nothing about the target.</returns>
    internal static int ConnectFrom(FileDescriptor socket, NetAddress address, ushort port, ushort local)
    {
        int family = address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;
        return SocketOptions.Bind(socket, address.IsIPv4 ? AnyIPv4 : AnyIPv6, local, family) == 0
            ? SocketOptions.Connect(socket, address, port)
            : Libc.EADDRNOTAVAIL;
    }

    private static bool IsReserved(int port)
    {
        foreach ((int first, int last) in Reserved)
        {
            if (port >= first && port <= last)
                return true;
        }

        return false;
    }

    private static (int First, int Last) ReadRange()
    {
        const int first = 32_768, last = 60_999; // Linux's own
        try
        {
            string[] words = Read("ip_local_port_range").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            return (ushort.Parse(words[0], CultureInfo.InvariantCulture), ushort.Parse(words[1], CultureInfo.InvariantCulture));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            return (first, last);
        }
    }

    // "8080,9148-9200"
    private static (int First, int Last)[] ReadReserved()
    {
        try
        {
            return
            [
                .. from part in Read("ip_local_reserved_ports").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                   let ends = part.Split('-')
                   select (int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[^1], CultureInfo.InvariantCulture)),
            ];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FormatException)
        {
            return [];
        }
    }

    private static string Read(string setting) => File.ReadAllText($"/proc/sys/net/ipv4/{setting}");
}
