using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.Dns;

/// <summary>Reverse zones of subnets (RFC 1035 §3.5, RFC 3596 §2.5).</summary>
public static class ReverseZones
{
    /// <summary>
    /// The zones that cover a subnet. A prefix that ends inside a label (a byte for IPv4, four bits for IPv6) gives one zone for each
    /// value of that label: 10.96.0.0/12 gives 96.10.in-addr.arpa to 111.10.in-addr.arpa.
    /// </summary>
    /// <param name="subnet">The subnet.</param>
    /// <returns>Zone names without trailing dot.</returns>
    public static IReadOnlyList<string> ForSubnet(IPNetwork subnet)
    {
        var isV4 = subnet.BaseAddress.AddressFamily == AddressFamily.InterNetwork;
        var bitsPerLabel = isV4 ? 8 : 4;
        var labels = Labels(subnet.BaseAddress.GetAddressBytes(), isV4);
        var zone = isV4 ? "in-addr.arpa" : "ip6.arpa";
        var whole = subnet.PrefixLength / bitsPerLabel;
        for (var i = 0; i < whole; i++) zone = Text(labels[i], isV4) + "." + zone;
        var rest = subnet.PrefixLength % bitsPerLabel;
        if (rest == 0) return [zone];
        var zones = new List<string>();
        for (var value = labels[whole]; value < labels[whole] + (1 << (bitsPerLabel - rest)); value++)
            zones.Add(Text(value, isV4) + "." + zone);
        return zones;
    }

    private static int[] Labels(byte[] address, bool isV4) =>
        isV4 ? [.. address.Select(b => (int)b)] : [.. address.SelectMany(b => new[] { b >> 4, b & 0xF })];

    private static string Text(int label, bool isV4) => label.ToString(isV4 ? "D" : "x", CultureInfo.InvariantCulture);
}
