using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>
/// Makes a directory hold what another one holds, in steps that a reader never sees half of.
/// </summary>
/// <remarks>
/// Kubernetes keeps the files of a ConfigMap or Secret in a directory with the time in its name; <c>..data</c> links to it, and the visible
/// names are links through <c>..data</c>. So the new directory is put in place first, then one rename moves <c>..data</c>, then the other
/// links follow, and what is gone goes last: as kubelet does it, all files change at once. Files of other volumes change one by one, each in
/// one rename. The directory itself stays, so that what is mounted or open stays true.
/// </remarks>
internal static class VolumeCopy
{
    private const string DataLink = "..data";

    /// <summary>Puts an unpacked volume, a directory or a file, where it is read.</summary>
    /// <param name="fresh">What was unpacked; used up. On the same file system.</param>
    /// <param name="live">Where it is read; its parents are made.</param>
    internal static void Replace(string fresh, string live)
    {
        if (Directory.Exists(live) && Directory.Exists(fresh))
        {
            Merge(fresh, live);
        }
        else if (File.Exists(live) && File.Exists(fresh))
        {
            // It may be a mount of its own, which a rename would leave behind.
            Overwrite(fresh, live);
        }
        else
        {
            Directory.CreateDirectory(Path.GetDirectoryName(live)!);
            Put(fresh, live);
        }
    }

    private static void Merge(string fresh, string live)
    {
        FileSystemInfo[] entries = [.. new DirectoryInfo(fresh).EnumerateFileSystemInfos()];
        foreach (FileSystemInfo entry in entries.Where(static entry => entry.LinkTarget is null))
        {
            string place = Path.Combine(live, entry.Name);
            if (IsDirectory(entry.FullName) && IsDirectory(place))
                Merge(entry.FullName, place);
            else if (IsDirectory(entry.FullName) || !IsSameFile(entry.FullName, place))
                Put(entry.FullName, place);
        }

        foreach (FileSystemInfo link in entries.Where(static entry => entry.LinkTarget is not null).OrderBy(static entry => entry.Name != DataLink))
        {
            string place = Path.Combine(live, link.Name);
            if (new FileInfo(place).LinkTarget != link.LinkTarget)
                Put(link.FullName, place);
        }

        HashSet<string> wanted = [.. entries.Select(static entry => entry.Name)];
        foreach (FileSystemInfo gone in new DirectoryInfo(live).EnumerateFileSystemInfos().Where(entry => !wanted.Contains(entry.Name)))
            Remove(gone.FullName);
    }

    private static void Put(string fresh, string place)
    {
        // A rename replaces a file or a link by one, and nothing else by anything.
        if (Kind(place) is FileKind kind && (kind == FileKind.Directory || IsDirectory(fresh)))
            Remove(place);
        Libc.Rename(fresh, place);
    }

    private static void Remove(string place)
    {
        if (IsDirectory(place))
            Directory.Delete(place, recursive: true);
        else
            File.Delete(place);
    }

    private static void Overwrite(string fresh, string live)
    {
        if (IsSameFile(fresh, live))
            return;
        byte[] bytes = File.ReadAllBytes(fresh);
        UnixFileMode mode = File.GetUnixFileMode(fresh);
        File.SetUnixFileMode(live, mode | UnixFileMode.UserWrite);
        using (FileStream file = new(live, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0))
        {
            file.Write(bytes);
            file.SetLength(bytes.Length);
        }

        File.SetUnixFileMode(live, mode);
    }

    private static bool IsSameFile(string fresh, string live) =>
        Kind(fresh) == FileKind.Regular && Kind(live) == FileKind.Regular
        && File.GetUnixFileMode(fresh) == File.GetUnixFileMode(live)
        && File.GetLastWriteTimeUtc(fresh) == File.GetLastWriteTimeUtc(live)
        && File.ReadAllBytes(fresh).AsSpan().SequenceEqual(File.ReadAllBytes(live));

    private static bool IsDirectory(string path) => Kind(path) == FileKind.Directory;

    private static FileKind? Kind(string path) => FileStatus.Read(path, follow: false, out FileStatus status) == 0 ? status.Kind : null;
}
