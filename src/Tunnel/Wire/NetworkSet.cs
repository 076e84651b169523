using System.Net;
using System.Net.Sockets;

namespace Telepresence.Tunnel.Wire;

/// <summary>A few networks, and the question whether an address lies in one of them. A scan: it is meant for tens, not for thousands.</summary>
public sealed class NetworkSet
{
    private const int MappedBits = 96;

    private readonly (NetAddress Prefix, ulong MaskHigh, ulong MaskLow)[] _networks;

    /// <summary>A set of <paramref name="networks"/>.</summary>
    public NetworkSet(IEnumerable<IPNetwork> networks) => _networks = [.. networks.Select(ToEntry)];

    /// <summary>Whether there are none.</summary>
    public bool IsEmpty => _networks.Length == 0;

    /// <summary>Whether one of them contains <paramref name="address"/>. Networks of the other address family never do.</summary>
    public bool Contains(NetAddress address)
    {
        foreach ((NetAddress prefix, ulong high, ulong low) in _networks)
        {
            if (((address.High ^ prefix.High) & high) == 0 && ((address.Low ^ prefix.Low) & low) == 0 && address.IsIPv4 == prefix.IsIPv4)
                return true;
        }

        return false;
    }

    private static (NetAddress Prefix, ulong MaskHigh, ulong MaskLow) ToEntry(IPNetwork network)
    {
        int bits = network.PrefixLength + (network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? MappedBits : 0);
        return (NetAddress.FromIPAddress(network.BaseAddress), Mask(Math.Min(bits, 64)), Mask(Math.Max(bits - 64, 0)));
    }

    private static ulong Mask(int bits) => bits == 0 ? 0 : ulong.MaxValue << (64 - bits);
}
