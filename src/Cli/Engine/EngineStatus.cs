using Telepresence.Dns;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Cli.Engine;

/// <summary>A snapshot of <see cref="ConnectEngine"/>.</summary>
public sealed record EngineStatus
{
    /// <summary>State of the session, or <c>None</c>.</summary>
    public required string Session { get; init; }

    /// <summary>Why there is no link at present, or null.</summary>
    public string? Reason { get; init; }

    /// <summary>Last measured round trip to the pod.</summary>
    public long RoundTripMicroseconds { get; init; }

    /// <summary>Open flows.</summary>
    public int Streams { get; init; }

    /// <summary>Counters of the session.</summary>
    public MuxCounters Mux { get; init; }

    /// <summary>Counters of the userspace stack, null before the network is attached.</summary>
    public StackCounters? Stack { get; init; }

    /// <summary>Counters of the resolver, null before the network is attached.</summary>
    public ResolverCounters? Dns { get; init; }

    /// <summary>Memory that flows hold for bytes in flight.</summary>
    public long BufferedBytes { get; init; }
}
