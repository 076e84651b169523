using Telepresence.Cli.Machine.Resolver;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>The value of <c>--mount PATH|true|false</c>.</summary>
/// <param name="IsWanted">False for <c>false</c>: no volumes at all.</param>
/// <param name="Path">Where the pod's root directory is wanted, absolute; null for a place of our choice.</param>
internal sealed record MountOption(bool IsWanted, string? Path)
{
    /// <summary>What holds when the flag is not given: <c>true</c>.</summary>
    internal static MountOption Default { get; } = new(true, null);

    /// <summary>Reads the flag's value.</summary>
    /// <exception cref="UserError">It is empty, or a directory that is not there to be used.</exception>
    internal static MountOption Parse(string text)
    {
        if (text is "true" or "false")
            return new MountOption(text == "true", null);
        if (text.Length == 0)
            throw new UserError(ExitCode.BadArguments, "--mount needs a directory, true or false.");
        string path = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(text));
        Check(path, text);
        return new MountOption(true, path);
    }

    /// <summary>Looks whether a directory is there to be used.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="text">As the user wrote it.</param>
    /// <exception cref="UserError">It is not.</exception>
    internal static void Check(string path, string text)
    {
        string parent = System.IO.Path.GetDirectoryName(path) ?? "/";
        string place = System.IO.Path.Combine(Places.Follow(parent), System.IO.Path.GetFileName(path));
        if (MountTable.TypeAt(place) is not null || new FileInfo(path).LinkTarget is not null)
            throw new UserError(ExitCode.BadArguments, $"--mount {text}: something is mounted there or it is a link, perhaps of another session that runs; name another directory.");
        if (File.Exists(path))
            throw new UserError(ExitCode.BadArguments, $"--mount {text}: this is a file; name a directory that is empty or does not exist.");
        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            throw new UserError(ExitCode.BadArguments, $"--mount {text}: this directory is not empty; name one that is, or that does not exist.");
    }

    /// <summary>What the user reads when another session has its volumes at a place, unseen in a namespace of its own.</summary>
    internal static UserError Taken(string path) =>
        new(ExitCode.BadArguments, $"--mount {path}: another session that runs has its volumes there; name another directory.");
}
