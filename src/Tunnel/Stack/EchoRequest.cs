using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

/// <summary>An ICMP or ICMPv6 echo request. To answer later, keep the parts (copy the payload) and build it again.</summary>
/// <param name="source">The local program's address.</param>
/// <param name="destination">The address it pings.</param>
/// <param name="identifier">Identifier field, host order.</param>
/// <param name="sequence">Sequence field, host order.</param>
/// <param name="payload">What the answer must repeat.</param>
public readonly ref struct EchoRequest(
    NetAddress source, NetAddress destination, ushort identifier, ushort sequence, ReadOnlySpan<byte> payload)
{
    /// <summary>The local program's address.</summary>
    public NetAddress Source { get; } = source;

    /// <summary>The address it pings.</summary>
    public NetAddress Destination { get; } = destination;

    /// <summary>Identifier field, host order.</summary>
    public ushort Identifier { get; } = identifier;

    /// <summary>Sequence field, host order.</summary>
    public ushort Sequence { get; } = sequence;

    /// <summary>What the answer must repeat; valid as long as the span it was made from.</summary>
    public ReadOnlySpan<byte> Payload { get; } = payload;
}
