namespace Telepresence.Dns;

/// <summary>What happened so far; only the resolver's owner writes them.</summary>
public sealed class ResolverCounters
{
    /// <summary>Questions received from clients, good or bad.</summary>
    public long Queries { get; internal set; }

    /// <summary>Questions answered entirely from the cache.</summary>
    public long CacheHits { get; internal set; }

    /// <summary>Upstream questions that were joined to one already in flight.</summary>
    public long Joined { get; internal set; }

    /// <summary>Messages sent to the cluster, retries included.</summary>
    public long SentToCluster { get; internal set; }

    /// <summary>Messages sent to local servers, retries included.</summary>
    public long SentToLocal { get; internal set; }

    /// <summary>Messages dropped or refused because they were malformed.</summary>
    public long Malformed { get; internal set; }

    /// <summary>Upstream answers that matched no question in flight: late, forged or doubled.</summary>
    public long Unexpected { get; internal set; }

    /// <summary>Upstream questions that were given up without an answer.</summary>
    public long TimedOut { get; internal set; }

    /// <summary>Answers cut to a TC reply because they did not fit the client's UDP limit.</summary>
    public long Truncated { get; internal set; }

    /// <summary>Questions refused because too many were waiting.</summary>
    public long Overloaded { get; internal set; }

    /// <summary>Our own questions that came back to us: an upstream forwards to this resolver.</summary>
    public long Loops { get; internal set; }
}
