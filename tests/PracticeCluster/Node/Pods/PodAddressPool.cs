using System.Buffers.Binary;
using System.Net;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Gives each pod the same number in the IPv4 and the IPv6 network; a number comes back as late as possible.</summary>
internal sealed class PodAddressPool(IReadOnlyList<IPNetwork> networks)
{
    private const int First = 2;
    private readonly Lock _gate = new();
    private readonly HashSet<int> _used = [];
    private readonly int _count = (1 << Math.Min(24, 32 - networks[0].PrefixLength)) - 1 - First;
    private int _next;

    /// <summary>The node's end of every pod's link.</summary>
    internal IPAddress Gateway { get; } = At(networks[0], 1);

    /// <returns>IPv4 then IPv6.</returns>
    internal (int Number, IPAddress[] Addresses) Take()
    {
        lock (_gate)
        {
            if (_used.Count >= _count)
                throw new NodeException("no pod address is free");
            int number;
            do
                number = First + (_next++ % _count);
            while (!_used.Add(number));
            return (number, [.. networks.Select(network => At(network, number))]);
        }
    }

    internal void Return(int number)
    {
        lock (_gate)
            _used.Remove(number);
    }

    private static IPAddress At(IPNetwork network, int number)
    {
        byte[] bytes = network.BaseAddress.GetAddressBytes();
        Span<byte> low = bytes.AsSpan(bytes.Length - 4);
        BinaryPrimitives.WriteUInt32BigEndian(low, BinaryPrimitives.ReadUInt32BigEndian(low) + (uint)number);
        return new IPAddress(bytes);
    }
}
