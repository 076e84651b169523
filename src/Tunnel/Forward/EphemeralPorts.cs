using System.Globalization;

using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>Has the kernel look for the local port of a connection in a small part of its range, in another part each time.</summary>
/// <remarks>
/// By itself connect(2) tries one half of the range before the other, port by port. When thousands of connections to one place were closed
/// within a minute, that half is in TIME-WAIT, and each call takes milliseconds. Of a part chosen at random some ports are free.
/// IP_LOCAL_PORT_RANGE (ip(7)) is there since Linux 6.3; an older kernel looks everywhere.
/// </remarks>
internal static class EphemeralPorts
{
    private const int PartLength = 512;

    private static readonly (int First, int Last) Range = ReadRange();

    /// <summary>connect(2) from a port that the kernel chooses.</summary>
    /// <returns>0 or errno: EADDRNOTAVAIL when no port of the part is free, which says little about other parts.</returns>
    internal static int Connect(FileDescriptor socket, NetAddress address, ushort port)
    {
        int first = Random.Shared.Next(Range.First, Math.Max(Range.First, Range.Last - PartLength + 1) + 1);
        return Connect(socket, address, port, (ushort)first, (ushort)Math.Min(first + PartLength - 1, Range.Last));
    }

    /// <summary>connect(2) from a port of a part of the range.</summary>
    /// <returns>0 or errno.</returns>
    internal static int Connect(FileDescriptor socket, NetAddress address, ushort port, ushort first, ushort last)
    {
        SocketOptions.Set(socket.Number, Libc.IPPROTO_IP, Libc.IP_LOCAL_PORT_RANGE, last << 16 | first);
        return SocketOptions.Connect(socket, address, port);
    }

    private static (int First, int Last) ReadRange()
    {
        const int first = 32_768, last = 60_999; // Linux's own
        try
        {
            string[] words = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            return (ushort.Parse(words[0], CultureInfo.InvariantCulture), ushort.Parse(words[1], CultureInfo.InvariantCulture));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            return (first, last);
        }
    }
}
