using System.Globalization;
using System.Net;

using Telepresence.Tunnel.Forward;

namespace Telepresence.Proxy;

/// <summary>Reads the kernel's routes from /proc/net/route and /proc/net/ipv6_route (proc(5)).</summary>
internal static class RouteTable
{
    private const uint Up = 0x1, Gateway = 0x2, Reject = 0x200, Anycast = 0x00100000, Local = 0x80000000;

    /// <summary>Reads /proc/net/route: a line of titles, then interface, destination, gateway, flags, …, mask at index 7; addresses as
    /// hexadecimal numbers of the machine's byte order.</summary>
    internal static IEnumerable<PodRoute> ParseIPv4(IEnumerable<string> lines)
    {
        foreach (string line in lines.Skip(1))
        {
            string[] fields = Fields(line);
            if (fields.Length < 8 || !TryHex(fields[1], out uint destination) || !TryHex(fields[2], out uint gateway)
                || !TryHex(fields[3], out uint flags) || !TryHex(fields[7], out uint mask))
                continue;
            if ((flags & Up) == 0 || (flags & Reject) != 0 || fields[0] == "lo")
                continue;
            string? nextHop = (flags & Gateway) != 0 ? new IPAddress(gateway).ToString() : null;
            yield return new PodRoute($"{new IPAddress(destination)}/{uint.PopCount(mask)}", nextHop, fields[0]);
        }
    }

    /// <summary>Reads /proc/net/ipv6_route: destination, prefix length, source, its length, next hop, metric, two counters, flags, interface.</summary>
    internal static IEnumerable<PodRoute> ParseIPv6(IEnumerable<string> lines)
    {
        foreach (string line in lines)
        {
            string[] fields = Fields(line);
            if (fields.Length < 10 || fields[0].Length != 32 || fields[4].Length != 32 || !TryHex(fields[1], out uint length)
                || !TryHex(fields[8], out uint flags))
                continue;
            IPAddress destination = new(Convert.FromHexString(fields[0]));
            bool foreign = destination.IsIPv6LinkLocal || destination.IsIPv6Multicast;
            if ((flags & Up) == 0 || (flags & (Reject | Local | Anycast)) != 0 || foreign || fields[9] == "lo")
                continue;
            string? nextHop = (flags & Gateway) != 0 ? new IPAddress(Convert.FromHexString(fields[4])).ToString() : null;
            yield return new PodRoute($"{destination}/{length}", nextHop, fields[9]);
        }
    }

    private static string[] Fields(string line) =>
        line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static bool TryHex(string text, out uint value) =>
        uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
}
