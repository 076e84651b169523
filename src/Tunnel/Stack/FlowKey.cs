using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

/// <summary>
/// Names a flow as the local program sees it: from its own address and port to the destination that it dialed.
/// 40 bytes; TCP and UDP flows live in different tables, so the protocol is not part of it.
/// </summary>
public readonly struct FlowKey : IEquatable<FlowKey>
{
    // A random seed per process: nobody can choose ports that all fall into one bucket.
    private static readonly ulong Seed0 = RandomSeed(), Seed1 = RandomSeed(), Seed2 = RandomSeed();

    /// <summary>A flow from its four parts; ports in host order.</summary>
    public FlowKey(NetAddress source, ushort sourcePort, NetAddress destination, ushort destinationPort)
    {
        Source = source;
        Destination = destination;
        SourcePort = sourcePort;
        DestinationPort = destinationPort;
    }

    /// <summary>The local program's address.</summary>
    public NetAddress Source { get; }

    /// <summary>The address that it dialed.</summary>
    public NetAddress Destination { get; }

    /// <summary>The local program's port, host order.</summary>
    public ushort SourcePort { get; }

    /// <summary>The port that it dialed, host order.</summary>
    public ushort DestinationPort { get; }

    /// <summary>Whether the flow runs over IPv4.</summary>
    public bool IsIPv4 => Destination.IsIPv4;

    /// <summary>The local program's end as the platform's type.</summary>
    public IPEndPoint SourceEndPoint => new(Source.ToIPAddress(), SourcePort);

    /// <summary>The dialed end as the platform's type.</summary>
    public IPEndPoint DestinationEndPoint => new(Destination.ToIPAddress(), DestinationPort);

    /// <summary>Same four parts.</summary>
    public static bool operator ==(in FlowKey a, in FlowKey b) => a.Equals(b);

    /// <summary>Not the same four parts.</summary>
    public static bool operator !=(in FlowKey a, in FlowKey b) => !a.Equals(b);

    /// <inheritdoc/>
    public bool Equals(FlowKey other) =>
        SourcePort == other.SourcePort && DestinationPort == other.DestinationPort && Source == other.Source && Destination == other.Destination;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is FlowKey other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)Hash(0);

    /// <summary>Source and destination in the usual notation.</summary>
    public override string ToString() => $"{SourceEndPoint} -> {DestinationEndPoint}";

    /// <summary>A keyed 64-bit hash: three 64×64→128-bit multiplications, folded.</summary>
    internal ulong Hash(ulong secret)
    {
        ulong ports = (ulong)SourcePort << 16 | DestinationPort;
        ulong h = Mix(Source.Low ^ Seed0, Destination.Low ^ Seed1 ^ secret);
        h = Mix(h ^ Source.High, Destination.High ^ Seed2);
        return Mix(h ^ ports, Seed1 ^ secret);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        return high ^ low;
    }

    private static ulong RandomSeed() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;
}
