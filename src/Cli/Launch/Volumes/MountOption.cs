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
        if (MountTable.TypeAt(path) is not null || new FileInfo(path).LinkTarget is not null)
            throw new UserError(ExitCode.BadArguments, $"--mount {text}: something is mounted there or it is a link, perhaps of another session that runs; name another directory.");
        if (File.Exists(path))
            throw new UserError(ExitCode.BadArguments, $"--mount {text}: this is a file; name a directory that is empty or does not exist.");
        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            throw new UserError(ExitCode.BadArguments, $"--mount {text}: this directory is not empty; name one that is, or that does not exist.");
        return new MountOption(true, path);
    }
}
