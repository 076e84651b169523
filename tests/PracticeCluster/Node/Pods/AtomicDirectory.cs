using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>One file of a projected volume.</summary>
/// <param name="Path">Relative, may have directories in it.</param>
internal sealed record ProjectedFile(string Path, byte[] Content, UnixFileMode Mode);

/// <summary>
/// A directory whose files change all at once: they lie in a directory of their own, ..data points at it, and a change is
/// one rename of that symbolic link. A reader sees the old set or the new one.
/// </summary>
/// <param name="group">Group that owns the files, or 0.</param>
internal sealed class AtomicDirectory(string path, int group)
{
    private const UnixFileMode DirectoryMode = (UnixFileMode)0x1ED;
    private IReadOnlyList<ProjectedFile>? _present;
    private string? _current;
    private int _number;

    /// <returns>false when nothing was different.</returns>
    internal bool Write(IReadOnlyList<ProjectedFile> files)
    {
        if (_present is not null && Same(_present, files))
            return false;
        string stamp = DateTime.UtcNow.ToString("..yyyy_MM_dd_HH_mm_ss.", CultureInfo.InvariantCulture)
            + (++_number).ToString("D9", CultureInfo.InvariantCulture);
        string data = Path.Combine(path, stamp);
        MakeDirectory(data);
        foreach (ProjectedFile file in files)
            WriteFile(data, file);
        string link = Path.Combine(path, "..data_tmp");
        File.CreateSymbolicLink(link, stamp);
        Native.Check(Native.Rename(link, Path.Combine(path, "..data")), $"cannot replace the files of {path}");

        HashSet<string> wanted = [.. files.Select(file => file.Path.Split('/')[0])];
        foreach (string name in wanted)
        {
            string entry = Path.Combine(path, name);
            if (new FileInfo(entry).LinkTarget is null)
                File.CreateSymbolicLink(entry, $"..data/{name}");
        }

        foreach (string entry in Directory.EnumerateFileSystemEntries(path))
        {
            string name = Path.GetFileName(entry);
            if (!name.StartsWith("..", StringComparison.Ordinal) && !wanted.Contains(name))
                File.Delete(entry);
        }

        if (_current is not null)
            Directory.Delete(Path.Combine(path, _current), recursive: true);
        _current = stamp;
        _present = files;
        return true;
    }

    private void WriteFile(string data, ProjectedFile file)
    {
        string full = Path.Combine(data, file.Path);
        for (string directory = Path.GetDirectoryName(full)!; directory != data; directory = Path.GetDirectoryName(directory)!)
            MakeDirectory(directory);
        File.WriteAllBytes(full, file.Content);
        File.SetUnixFileMode(full, file.Mode | (group != 0 ? UnixFileMode.GroupRead : 0));
        if (group != 0)
            Native.Check(Native.ChangeOwner(full, 0, group), $"cannot give {file.Path} its group");
    }

    private void MakeDirectory(string directory)
    {
        Directory.CreateDirectory(directory);
        File.SetUnixFileMode(directory, DirectoryMode | (group != 0 ? UnixFileMode.SetGroup : 0));
        if (group != 0)
            Native.Check(Native.ChangeOwner(directory, 0, group), $"cannot give {directory} its group");
    }

    private static bool Same(IReadOnlyList<ProjectedFile> a, IReadOnlyList<ProjectedFile> b) =>
        a.Count == b.Count && a.Zip(b).All(pair =>
            pair.First.Path == pair.Second.Path && pair.First.Mode == pair.Second.Mode
            && pair.First.Content.AsSpan().SequenceEqual(pair.Second.Content));
}
