namespace Telepresence.Cli.Launch.Volumes;

/// <summary>Arithmetic with the paths of volumes.</summary>
internal static class VolumePaths
{
    /// <summary>The paths that lie below no other one; what lies below comes with the one above it.</summary>
    internal static IEnumerable<string> Outermost(IEnumerable<string> paths)
    {
        string[] all = [.. paths.Distinct()];
        return all.Where(path => !all.Any(other => other != path && IsBelow(path, other)));
    }

    /// <summary>Whether a path is another one or lies below it.</summary>
    internal static bool IsBelow(string path, string directory) =>
        path == directory || directory == "/" || (path.StartsWith(directory, StringComparison.Ordinal) && path[directory.Length] == '/');

    /// <summary>A container's path in one spelling: absolute, without empty parts, <c>.</c> and <c>..</c>.</summary>
    internal static string Normalize(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path, "/"));
}
