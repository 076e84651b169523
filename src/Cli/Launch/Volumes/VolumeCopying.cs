namespace Telepresence.Cli.Launch.Volumes;

/// <summary>What is known of one volume that is copied.</summary>
/// <param name="path">Its path in the container.</param>
/// <param name="staging">Name of the directory that its archives are unpacked in.</param>
/// <param name="isLoose">Whether its files may be of different moments.</param>
internal sealed class VolumeCopying(string path, string staging, bool isLoose)
{
    private const int SampleSize = 3;

    internal string Path => path;

    internal string Staging => staging;

    internal bool IsLoose => isLoose;

    /// <summary>Of the copy; empty before the first one.</summary>
    internal byte[] Fingerprint { get; set; } = [];

    /// <summary>How long the last comparison took, with what was transferred.</summary>
    internal TimeSpan Took { get; set; }

    /// <summary>How often in a row it has changed while it was read, or else failed.</summary>
    internal int Failures { get; set; }

    /// <summary>Links that the copy lacks.</summary>
    internal IReadOnlyList<string> LeftOut { get; set; } = [];

    /// <summary>The first of them, for a sentence.</summary>
    internal string Sample => string.Join(", ", LeftOut.Take(SampleSize)) + (LeftOut.Count > SampleSize ? $" and {LeftOut.Count - SampleSize} more" : "");

    /// <summary>Why it cannot be copied, whenever it is tried.</summary>
    internal string? Refusal { get; set; }

    /// <summary>Why it could not be compared the last time.</summary>
    internal string? LastTrouble { get; set; }
}
