using System.Globalization;
using System.Net;

namespace Telepresence.Proxy;

/// <summary>Reads the destinations of the kernel's routes from /proc/net/route and /proc/net/ipv6_route (proc(5)); the default route is none of them.</summary>
internal static class RouteTable
{
    private const uint Up = 0x1, Reject = 0x200, Anycast = 0x00100000, Local = 0x80000000;

    /// <summary>Reads /proc/net/route: a line of titles, then interface, destination, gateway, flags, …, mask at index 7; addresses as
    /// hexadecimal numbers of the machine's byte order.</summary>
    internal static IEnumerable<string> ParseIPv4(IEnumerable<string> lines)
    {
        foreach (string line in lines.Skip(1))
        {
            string[] fields = Fields(line);
            if (fields.Length < 8 || !TryHex(fields[1], out uint destination) || !TryHex(fields[3], out uint flags) || !TryHex(fields[7], out uint mask))
                continue;
            if ((flags & Up) == 0 || (flags & Reject) != 0 || mask == 0 || fields[0] == "lo")
                continue;
            yield return $"{new IPAddress(destination)}/{uint.PopCount(mask)}";
        }
    }

    /// <summary>Reads /proc/net/ipv6_route: destination, prefix length, source, its length, next hop, metric, two counters, flags, interface.</summary>
    internal static IEnumerable<string> ParseIPv6(IEnumerable<string> lines)
    {
        foreach (string line in lines)
        {
            string[] fields = Fields(line);
            if (fields.Length < 10 || fields[0].Length != 32 || !TryHex(fields[1], out uint length)
                || !TryHex(fields[8], out uint flags))
                continue;
            IPAddress destination = new(Convert.FromHexString(fields[0]));
            bool foreign = destination.IsIPv6LinkLocal || destination.IsIPv6Multicast;
            if ((flags & Up) == 0 || (flags & (Reject | Local | Anycast)) != 0 || foreign || length == 0 || fields[9] == "lo")
                continue;
            yield return $"{destination}/{length}";
        }
    }

    private static string[] Fields(string line) =>
        line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static bool TryHex(string text, out uint value) =>
        uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
}
