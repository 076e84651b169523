using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Engine.Listeners;

/// <summary>A socket that waits for callers: a TCP listener, or a UDP socket that is bound and not connected.</summary>
/// <param name="Address">Its own address; a mapped one counts as IPv4.</param>
/// <param name="Port">Its own port.</param>
/// <param name="OnlyIPv6">Bound to <c>::</c> and deaf to IPv4.</param>
/// <param name="Inode">The socket's number in the kernel, unique in a network namespace.</param>
internal readonly record struct BoundSocket(NetAddress Address, ushort Port, bool OnlyIPv6, uint Inode)
{
    private const uint LoopbackPrefix = 127;

    /// <summary>127.0.0.1 or ::1.</summary>
    internal static NetAddress LoopbackOf(NetAddress address) => address.IsIPv4 ? NetAddress.FromIPv4(0x7f00_0001) : new NetAddress(0, 1);

    /// <summary>Whether an address is one of the loopback's.</summary>
    internal static bool IsLoopback(NetAddress address) => address.IsIPv4 ? address.IPv4 >> 24 == LoopbackPrefix : address == new NetAddress(0, 1);
}

/// <summary>Lists the sockets of a network namespace that wait for callers.</summary>
internal interface ISocketTable : IDisposable
{
    /// <summary>Adds them to <paramref name="found"/>.</summary>
    /// <returns>False when it could not be read this time; what was found means nothing then.</returns>
    bool Read(bool udp, List<BoundSocket> found);
}
