namespace Telepresence.Dns;

/// <summary>What <see cref="DnsRules"/> says about a name.</summary>
/// <param name="Route">Where to look.</param>
/// <param name="UseSearch">Where the cluster is asked, the name is also tried with the search list.</param>
/// <param name="Target">The name that stands for this one (a mapping), in wire form; null if the name stands for itself.</param>
public readonly record struct DnsDecision(DnsRoute Route, bool UseSearch = false, byte[]? Target = null);
