using System.Globalization;

using Telepresence.Cli.Engine.Listeners;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Holder.Loopback;

/// <summary>A socket that stands on one side for one on the other.</summary>
/// <param name="Inside">Whether it stands inside, for one of the machine's.</param>
/// <param name="IsUdp">UDP or TCP.</param>
/// <param name="Address">Where it is bound: a loopback address, or inside also the unspecified one.</param>
/// <param name="Port">The port, on both sides the same.</param>
internal readonly record struct MirrorKey(bool Inside, bool IsUdp, NetAddress Address, ushort Port)
{
    /// <inheritdoc/>
    public override string ToString() => $"{(IsUdp ? "UDP" : "TCP")} {new System.Net.IPEndPoint(Address.ToIPAddress(), Port)}";
}

/// <summary>Ports that the kernel gives to programs that do not ask for one.</summary>
internal readonly record struct EphemeralRange(ushort First, ushort Last)
{
    /// <summary>The range of this process's network namespace.</summary>
    internal static EphemeralRange Read()
    {
        try
        {
            string[] words = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            return new EphemeralRange(ushort.Parse(words[0], CultureInfo.InvariantCulture), ushort.Parse(words[1], CultureInfo.InvariantCulture));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            return Default;
        }
    }

    /// <summary>What Linux begins with, in a new namespace too.</summary>
    internal static EphemeralRange Default => new(32_768, 60_999);

    internal bool Contains(ushort port) => port >= First && port <= Last;
}

/// <summary>
/// Which sockets of one side the other side is to have as well, so that <c>localhost</c> is the same on both: those that can be reached
/// over the loopback and where the port is free. A pure function.
/// </summary>
internal static class MirrorPlan
{
    private static readonly NetAddress AnyIPv4 = NetAddress.FromIPv4(0);

    /// <summary>Adds what is to stand on one side.</summary>
    /// <param name="inside">The side: inside, or the machine.</param>
    /// <param name="udp">Protocol of both lists.</param>
    /// <param name="originals">What the other side has of its own.</param>
    /// <param name="taken">What this side has of its own.</param>
    /// <param name="ephemeral">The other side's range: a UDP socket without an address and with a port from there is a client's.</param>
    /// <param name="wanted">Gets the result.</param>
    internal static void Add(bool inside, bool udp, List<BoundSocket> originals, List<BoundSocket> taken, EphemeralRange ephemeral, HashSet<MirrorKey> wanted)
    {
        foreach (BoundSocket original in originals)
        {
            NetAddress address = original.Address;
            if (original.Port == 0 || (!address.IsUnspecified && !BoundSocket.IsLoopback(address)))
                continue;
            if (udp && address.IsUnspecified && ephemeral.Contains(original.Port))
                continue;
            Want(address);
            if (address.IsUnspecified && !address.IsIPv4 && !original.OnlyIPv6)
                Want(AnyIPv4);

            void Want(NetAddress bound)
            {
                // Inside, nobody else can call, so a listener for every address may be one there too: Debian's 127.0.1.1 is then right.
                // On the machine it would be open to the network. An answer over UDP has to come from the address that was asked.
                if (bound.IsUnspecified && (udp || !inside))
                    bound = BoundSocket.LoopbackOf(bound);
                if (!IsTaken(bound, original.Port, taken))
                    wanted.Add(new MirrorKey(inside, udp, bound, original.Port));
            }
        }
    }

    private static bool IsTaken(NetAddress address, ushort port, List<BoundSocket> taken)
    {
        foreach (BoundSocket other in taken)
        {
            if (other.Port != port)
                continue;
            bool sameFamily = other.Address.IsIPv4 == address.IsIPv4;
            bool everything = other.Address.IsUnspecified && (sameFamily || (address.IsIPv4 && !other.OnlyIPv6));
            if (everything || (sameFamily && (other.Address == address || (address.IsUnspecified && BoundSocket.IsLoopback(other.Address)))))
                return true;
        }

        return false;
    }
}
