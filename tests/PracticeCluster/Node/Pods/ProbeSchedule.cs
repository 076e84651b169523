using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>A probe's times and thresholds, and what its results so far amount to.</summary>
internal sealed class ProbeSchedule(JsonNode probe)
{
    private readonly long _successThreshold = probe.Number("successThreshold") ?? 1;
    private readonly long _failureThreshold = probe.Number("failureThreshold") ?? 3;
    private int _successes;
    private int _failures;

    internal TimeSpan InitialDelay { get; } = TimeSpan.FromSeconds(probe.Number("initialDelaySeconds") ?? 0);

    internal TimeSpan Period { get; } = TimeSpan.FromSeconds(probe.Number("periodSeconds") ?? 10);

    /// <returns>true: passes; false: fails; null: not decided by this result.</returns>
    internal bool? Add(bool success)
    {
        _successes = success ? _successes + 1 : 0;
        _failures = success ? 0 : _failures + 1;
        if (_successes >= _successThreshold)
            return true;
        return _failures >= _failureThreshold ? false : null;
    }
}
