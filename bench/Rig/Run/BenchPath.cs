using System.Net;

namespace Telepresence.Rig.Run;

/// <summary>A way from an application to the servers.</summary>
internal sealed record BenchPath
{
    /// <summary>As in the table's head.</summary>
    internal required string Name { get; init; }

    /// <summary>The namespace of <see cref="Lab"/> in which the application runs.</summary>
    internal string Namespace { get; init; } = "";

    /// <summary>What takes a command there.</summary>
    internal string[] Enter { get => field ?? Lab.In(Namespace); init; }

    /// <summary>What the load generators are told besides.</summary>
    internal string[] Options { get; init; } = [];

    /// <summary>Whether bulk transfers are all that it can carry.</summary>
    internal bool OnlyBulk { get; init; }

    /// <summary>The servers' address as the application dials it.</summary>
    internal string Target { get; init; } = Topology.ServerAddress;

    /// <summary>Whom the application asks for names; null when the path carries no DNS.</summary>
    internal IPAddress? Dns { get; init; }

    /// <summary>What the names end in.</summary>
    internal string DnsDomain { get; init; } = "bench.svc.cluster.local";

    /// <summary>Whether answers are cached somewhere on the way.</summary>
    internal bool CachesDns { get; init; }

    /// <summary>What the application is started through, torsocks for example.</summary>
    internal string[] Wrapper { get; init; } = [];

    internal IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Roots of the process trees that carry the traffic; empty when the kernel alone does.</summary>
    internal IReadOnlyList<int> Relays { get; init; } = [];

    /// <summary>Most connections that can be held open at once; null for as many as asked.</summary>
    internal int? IdleLimit { get; init; }

    /// <summary>Whether the path is only a yardstick and has no relays of its own to measure.</summary>
    internal bool IsRaw => Relays.Count == 0;
}
