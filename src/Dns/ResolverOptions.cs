namespace Telepresence.Dns;

/// <summary>Limits and times of a <see cref="Resolver"/>. Times are in microseconds.</summary>
public sealed record ResolverOptions
{
    /// <summary>Time after which an unanswered question is sent again (locally: to the next server).</summary>
    public long RetryInterval { get; init; } = 1_000_000;

    /// <summary>How often the cluster is asked before it counts as failed; with <see cref="RetryInterval"/> the time limit.</summary>
    public int ClusterAttempts { get; init; } = 3;

    /// <summary>How often local servers are asked, all together, before they count as failed.</summary>
    public int LocalAttempts { get; init; } = 4;

    /// <summary>Time after which the second place (cluster or local) is asked as well although the first has not yet answered.</summary>
    public long HedgeDelay { get; init; } = 1_000_000;

    /// <summary>Longest time for which a positive answer is kept.</summary>
    public long MaxPositiveAge { get; init; } = 3_600_000_000;

    /// <summary>
    /// Longest time for which "no such name" or "no such record" is kept. Short, because a developer who has just created a Service
    /// looks at it at once.
    /// </summary>
    public long MaxNegativeAge { get; init; } = 5_000_000;

    /// <summary>Bytes of cache memory; rounded down to whole blocks.</summary>
    public int CacheBytes { get; init; } = 4 << 20;

    /// <summary>Most answers kept and questions in flight upstream, together.</summary>
    public int MaxExchanges { get; init; } = 8192;

    /// <summary>Most client questions that wait at the same time; further ones get SERVFAIL.</summary>
    public int MaxLookups { get; init; } = 2048;

    /// <summary>Ask a random name at the start and see whether it comes back to this resolver.</summary>
    public bool LoopCheck { get; init; } = true;

    /// <summary>Source of random bytes for identifiers; unpredictable unless a test says otherwise.</summary>
    public Action<Span<byte>> RandomBytes { get; init; } = System.Security.Cryptography.RandomNumberGenerator.Fill;
}
