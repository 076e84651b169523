using System.Globalization;
using System.Net;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Names below in-addr.arpa (RFC 1035 §3.5) and ip6.arpa (RFC 3596 §2.5).</summary>
internal static class ReverseName
{
    /// <summary>The name whose PTR record names the address.</summary>
    internal static string Of(IPAddress address) => Of(address, address.GetAddressBytes().Length * 8);

    /// <summary>The zone of a network; a prefix between two labels takes the larger zone.</summary>
    internal static string Of(IPNetwork network) => Of(network.BaseAddress, network.PrefixLength);

    private static string Of(IPAddress address, int prefix)
    {
        byte[] bytes = address.GetAddressBytes();
        var name = new StringBuilder();
        if (bytes.Length == 4)
        {
            for (int i = (prefix / 8) - 1; i >= 0; i--)
                name.Append(CultureInfo.InvariantCulture, $"{bytes[i]}.");
            return name.Append("in-addr.arpa.").ToString();
        }

        for (int nibble = (prefix / 4) - 1; nibble >= 0; nibble--)
            name.Append(CultureInfo.InvariantCulture, $"{(bytes[nibble / 2] >> (nibble % 2 == 0 ? 4 : 0)) & 15:x}.");
        return name.Append("ip6.arpa.").ToString();
    }
}
