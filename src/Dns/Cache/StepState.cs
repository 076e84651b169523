namespace Telepresence.Dns.Cache;

/// <summary>How far a step is.</summary>
internal enum StepState : byte
{
    Planned,
    Asking,

    /// <summary>
    /// There is no address of the wanted kind; whether the name lives here at all is decided by the other kind: a Service with IPv4
    /// only is no reason to look for its IPv6 address elsewhere and find another machine's.
    /// </summary>
    AskingSibling,
    Positive,

    /// <summary>No such record, and the name certainly lives here: this is the answer.</summary>
    NoDataHere,
    NoData,
    NxDomain,
    Failed,
}
