using System.Net;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Proxy;

/// <summary>The pod's name servers, as the C library finds them (resolv.conf(5)).</summary>
internal static class NameServers
{
    internal const string ResolvConfPath = "/etc/resolv.conf";
    private const ushort DnsPort = 53;
    private const int Most = 3;

    /// <summary>Reads the lines of a resolv.conf: the first three name servers, or the one on this host when none is named.</summary>
    internal static IReadOnlyList<TargetAddress> Parse(IEnumerable<string> lines)
    {
        TargetAddress[] found =
        [
            .. lines.Select(static line => line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
                .Where(static words => words.Length > 1 && words[0] == "nameserver")
                .Select(static words => IPAddress.TryParse(words[1], out IPAddress? address) ? address : null)
                .OfType<IPAddress>()
                .Take(Most)
                .Select(static address => new TargetAddress(NetAddress.FromIPAddress(address), DnsPort)),
        ];
        return found.Length > 0 ? found : [new TargetAddress(NetAddress.FromIPAddress(IPAddress.Loopback), DnsPort)];
    }

    internal static IReadOnlyList<TargetAddress> Read() =>
        Parse(File.Exists(ResolvConfPath) ? File.ReadAllLines(ResolvConfPath) : []);
}
