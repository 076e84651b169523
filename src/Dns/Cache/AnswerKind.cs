namespace Telepresence.Dns.Cache;

/// <summary>What an upstream's answer means for the search among names and places.</summary>
internal enum AnswerKind : byte
{
    /// <summary>Not answered yet.</summary>
    None,

    /// <summary>Records of the wanted type.</summary>
    Positive,

    /// <summary>The name exists or may exist, but has no such record; also an alias that leads nowhere.</summary>
    NoData,

    /// <summary>The name does not exist.</summary>
    NxDomain,

    /// <summary>Time-out, unreachable, or an error code.</summary>
    Failed,
}
