namespace Telepresence.PracticeCluster.Node;

/// <summary>Looks names up in a stack of overlayfs layers as a process whose root it is would, without mounting it.</summary>
/// <param name="layers">Directories as this process reaches them, uppermost first.</param>
internal sealed class LayeredRoot(IReadOnlyList<string> layers)
{
    private const int MostLinks = 40;

    /// <param name="Path">Absolute inside the root and free of symbolic links, as far as it exists.</param>
    /// <param name="RealPath">Where this process finds it; null when it does not exist.</param>
    internal readonly record struct Found(string Path, string? RealPath, bool IsDirectory);

    internal Found Resolve(string path)
    {
        var pending = new Stack<string>(Split(path).Reverse());
        var resolved = new List<string>();
        var levels = new List<List<string>> { layers.ToList() };
        int links = 0;
        string? file = null;
        while (pending.TryPop(out string? name))
        {
            if (name == "..")
            {
                if (resolved.Count > 0)
                {
                    resolved.RemoveAt(resolved.Count - 1);
                    levels.RemoveAt(levels.Count - 1);
                }

                file = null;
                continue;
            }

            (List<string> directories, string? found, string? target) = Look(levels[^1], name);
            if (target is not null)
            {
                if (++links > MostLinks)
                    throw new NodeException($"too many symbolic links in {path}");
                if (target.StartsWith('/'))
                {
                    resolved.Clear();
                    levels.RemoveRange(1, levels.Count - 1);
                }

                foreach (string part in Split(target).Reverse())
                    pending.Push(part);
                continue;
            }

            resolved.Add(name);
            levels.Add(directories);
            file = found;
        }

        string result = "/" + string.Join('/', resolved);
        bool isDirectory = levels[^1].Count > 0;
        return new Found(result, isDirectory ? levels[^1][0] : file, isDirectory);
    }

    /// <summary>The file's own path inside the root, or null. Looks for a bare name along <paramref name="searchPath"/>.</summary>
    internal string? FindExecutable(string name, string searchPath)
    {
        foreach (string directory in searchPath.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string candidate = $"{directory.TrimEnd('/')}/{name}";
            if (IsExecutable(candidate))
                return candidate;
        }

        return null;
    }

    internal bool IsExecutable(string path)
    {
        Found found = Resolve(path);
        return found is { RealPath: string real, IsDirectory: false }
            && (File.GetUnixFileMode(real) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0;
    }

    private static IEnumerable<string> Split(string path) =>
        path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".");

    // The lookup of overlayfs: a directory goes on into the layers below it; anything else ends there; a whiteout hides.
    private static (List<string> Directories, string? File, string? Link) Look(List<string> parents, string name)
    {
        var directories = new List<string>();
        foreach (string parent in parents)
        {
            var entry = new FileInfo(Path.Combine(parent, name));
            if (entry.LinkTarget is string target)
                return directories.Count > 0 ? (directories, null, null) : ([], null, target);
            if ((int)entry.Attributes == -1)
                continue;
            if (entry.Attributes.HasFlag(FileAttributes.Directory))
                directories.Add(entry.FullName);
            else if (directories.Count == 0 && !IsWhiteout(entry))
                return ([], entry.FullName, null);
            else
                break;
        }

        return (directories, null, null);
    }

    // .NET does not tell a device's numbers. The only whiteouts in these layers are HostLayers' own, and those have no mode.
    private static bool IsWhiteout(FileInfo entry) => entry.Length == 0 && entry.UnixFileMode == UnixFileMode.None;
}
