namespace Telepresence.Rig.Run;

/// <summary>One measurement.</summary>
/// <param name="Path">Over which path.</param>
/// <param name="Measure">Of what.</param>
/// <param name="Round">In which round, from 1.</param>
/// <param name="Foreign">Share of the machine's processors that others took meanwhile, 0 to 1.</param>
/// <param name="Figures">What came out; empty when it failed.</param>
/// <param name="Failure">Why it failed, or null.</param>
internal sealed record Sample(string Path, string Measure, int Round, double Foreign, IReadOnlyDictionary<string, double> Figures, string? Failure);
