using System.Buffers.Binary;
using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Proxy;

/// <summary>What lies below one path at one moment, without the contents: enough to tell whether any of it has changed.</summary>
/// <remarks>Sockets, pipes and devices are left out: reading them could wait for ever, and a copy of one is nothing.</remarks>
internal sealed class ArchivedTree
{
    private const int EverybodyReads = 0x124, ReadAccess = 4;

    // What a header of the format holds: eleven octal digits, from 1970 to 2242.
    private const long LastSecond = (1L << 33) - 1;

    // Made by mkfs at the top of a file system, for root alone; it holds nobody's files.
    private const string LostAndFound = "lost+found";

    private readonly string _path;
    private readonly List<Entry> _entries = [];

    private ArchivedTree(string path) => _path = path;

    /// <summary>Changes whenever a name, a length, a mode, a time of change or the target of a link does.</summary>
    internal byte[] Fingerprint { get; private set; } = [];

    /// <summary>Looks at everything below <paramref name="path"/>; a link at its own end is followed, as a mount would be.</summary>
    /// <exception cref="FileNotFoundException">There is nothing.</exception>
    /// <exception cref="UnauthorizedAccessException">A directory may not be listed.</exception>
    /// <exception cref="InvalidDataException">It is more than an archive may hold, or not made of files; the message says so.</exception>
    internal static ArchivedTree Read(string path)
    {
        ArchivedTree tree = new(path);
        int error = FileStatus.Read(path, follow: true, out FileStatus status);
        if (error != 0)
            throw Missing(path, error);
        if (status.Kind == FileKind.Other)
            throw new InvalidDataException($"{path} is a socket, a pipe or a device");
        long content = tree.Add(ArchiveTarget.SelfName, path, status);
        for (int next = 0; next < tree._entries.Count; next++)
        {
            if (tree._entries[next].Status.Kind == FileKind.Directory)
                content += tree.AddChildren(tree._entries[next].Name);
            if (content > ArchiveTarget.MaxContent)
                throw new InvalidDataException($"{path} holds more than {ArchiveTarget.MaxContent >> 20} MiB");
        }

        tree.Fingerprint = tree.Hash();
        return tree;
    }

    /// <summary>Writes the archive without its end mark, which says that it is whole.</summary>
    /// <param name="writer">Where to; the caller disposes of it when the archive is whole.</param>
    /// <param name="unquiet">Whether a file that has gone meanwhile is left out.</param>
    /// <exception cref="IOException">A file has gone meanwhile or was written to while it was read, or nobody reads any more.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    internal void WriteTo(TarWriter writer, bool unquiet)
    {
        foreach (Entry entry in _entries)
        {
            TarEntryType type = entry.Status.Kind switch
            {
                FileKind.Regular => TarEntryType.RegularFile,
                FileKind.Directory => TarEntryType.Directory,
                _ => TarEntryType.SymbolicLink,
            };
            PaxTarEntry header = new(type, entry.Name)
            {
                Mode = (UnixFileMode)(entry.Status.Mode & 0x1ff),
                ModificationTime = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(entry.Status.Modified.Seconds, 0, LastSecond)),
            };
            if (type == TarEntryType.SymbolicLink)
                header.LinkName = entry.LinkTarget;
            if (type != TarEntryType.RegularFile)
            {
                writer.WriteEntry(header);
                continue;
            }

            using ArchivedFile? content = ArchivedFile.TryOpen(FullPath(entry.Name));
            if (content is null && unquiet && entry.Name != ArchiveTarget.SelfName)
                continue;
            header.DataStream = content ?? throw new FileNotFoundException($"{FullPath(entry.Name)} has gone while it was read");
            writer.WriteEntry(header);
            content.ThrowIfChanged();
        }
    }

    private static Exception Missing(string path, int error) => error switch
    {
        Libc.EACCES or Libc.EPERM => new UnauthorizedAccessException($"{path}: {Libc.Describe(error)}"),
        _ => new FileNotFoundException($"{path}: {Libc.Describe(error)}"),
    };

    private string FullPath(string name) => name == ArchiveTarget.SelfName ? _path : Path.Combine(_path, name);

    private long AddChildren(string directory)
    {
        long content = 0;
        string[] names;
        try
        {
            names = [.. Directory.EnumerateFileSystemEntries(FullPath(directory)).Select(static path => Path.GetFileName(path)!)];
        }
        catch (DirectoryNotFoundException) when (directory != ArchiveTarget.SelfName)
        {
            // It has gone since its name was read.
            return 0;
        }

        Array.Sort(names, StringComparer.Ordinal);
        foreach (string name in names)
        {
            string relative = directory == ArchiveTarget.SelfName ? name : $"{directory}/{name}";
            string path = FullPath(relative);

            // What has gone since the directory was listed was not there.
            if (relative != LostAndFound && FileStatus.Read(path, follow: false, out FileStatus status) == 0 && status.Kind != FileKind.Other)
                content += Add(relative, path, Follow(relative, path, status));
        }

        return content;
    }

    // A link that leads out of the volume becomes the file that it leads to.
    private FileStatus Follow(string relative, string path, FileStatus status) =>
        status.Kind == FileKind.Link
            && !ArchiveTarget.LinkStays(relative, TargetOf(relative, path))
            && FileStatus.Read(path, follow: true, out FileStatus behind) == 0
            && behind.Kind == FileKind.Regular
                ? behind
                : status;

    private long Add(string name, string path, FileStatus status)
    {
        if (_entries.Count >= ArchiveTarget.MaxEntries)
            throw new InvalidDataException($"{_path} holds more than {ArchiveTarget.MaxEntries} files");
        if (status.Kind == FileKind.Regular && (status.Mode & EverybodyReads) != EverybodyReads && !Libc.MayAccess(path, ReadAccess))
            throw new UnauthorizedAccessException($"{path} (mode {Convert.ToString(status.Mode, 8)}, owner {status.Owner}) may not be read by the proxy");
        string target = status.Kind == FileKind.Link ? TargetOf(name, path) : "";

        // It is no link any more.
        if (status.Kind == FileKind.Link && target.Length == 0)
            return 0;
        _entries.Add(new Entry(name, status, target));
        return status.Kind == FileKind.Regular ? status.Length : 0;
    }

    private string TargetOf(string name, string path) => ArchiveTarget.KeepInside(_path, name, new FileInfo(path).LinkTarget ?? "");

    private byte[] Hash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> numbers = stackalloc byte[7 * sizeof(long)];
        foreach (Entry entry in _entries)
        {
            FileStatus status = entry.Status;
            ReadOnlySpan<long> values =
            [
                (long)status.Kind, status.Mode, status.Kind == FileKind.Regular ? status.Length : 0, (long)status.Inode, status.Modified.Seconds,
                status.Modified.Nanoseconds, (status.Changed.Seconds * 1_000_000_000) + status.Changed.Nanoseconds,
            ];
            for (int i = 0; i < values.Length; i++)
                BinaryPrimitives.WriteInt64BigEndian(numbers[(i * sizeof(long))..], values[i]);
            hash.AppendData(numbers);

            // No name and no target holds a 0.
            hash.AppendData(Encoding.UTF8.GetBytes($"{entry.Name}\0{entry.LinkTarget}\0"));
        }

        return hash.GetHashAndReset();
    }

    private readonly record struct Entry(string Name, FileStatus Status, string LinkTarget);
}
