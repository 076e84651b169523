using System.Formats.Tar;

using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>Unpacks what a pod sent, which may be hostile: nothing lands outside of the directory, and nothing but files, directories and links
/// that stay inside lands in it.</summary>
/// <remarks>
/// A name is accepted only if its parent is a directory that this archive made before; so nothing is written through a link. The directory
/// must be empty, and nobody else's to write.
/// </remarks>
internal static class ArchiveUnpacker
{
    private const int MaxDepth = 64, MaxName = 255;
    private const UnixFileMode ReadableAndRunnable = (UnixFileMode)0x16d; // 0555: a copy is not written to

    /// <summary>Name, in the directory, of a path that is a file itself.</summary>
    internal const string FileName = "file";

    /// <summary>Unpacks.</summary>
    /// <param name="archive">The archive, rewound.</param>
    /// <param name="directory">An empty directory.</param>
    /// <param name="leftOut">Gets the links that lead out, as <c>name -> target</c>.</param>
    /// <returns>Where the path's contents are: the directory, or the one file in it.</returns>
    /// <exception cref="InvalidDataException">The archive is damaged, too large, or holds what it may not; the message says which.</exception>
    internal static string Unpack(Stream archive, string directory, ICollection<string> leftOut)
    {
        try
        {
            return UnpackEntries(archive, directory, leftOut);
        }
        catch (Exception fault) when (fault is FormatException or EndOfStreamException or NotSupportedException or ArgumentException or OverflowException)
        {
            throw new InvalidDataException($"the pod's archive is damaged: {fault.Message}", fault);
        }
    }

    private static string UnpackEntries(Stream archive, string directory, ICollection<string> leftOut)
    {
        using TarReader reader = new(archive, leaveOpen: true);
        if (reader.GetNextEntry() is not { Name: ArchiveTarget.SelfName or ArchiveTarget.SelfName + "/" } self)
            throw new InvalidDataException("the pod's archive does not begin with its own directory");
        if (IsFile(self))
        {
            string path = Path.Combine(directory, FileName);
            Write(self, path, ArchiveTarget.MaxContent);
            return reader.GetNextEntry() is null ? path : throw new InvalidDataException("the pod's archive of a file holds more than the file");
        }

        if (self.EntryType != TarEntryType.Directory)
            throw new InvalidDataException($"the pod's archive begins with an entry of type {self.EntryType}");
        HashSet<string> directories = [""], names = [];
        long room = ArchiveTarget.MaxContent;
        while (reader.GetNextEntry() is { } entry)
        {
            string name = entry.Name.TrimEnd('/');
            Check(name, directories);
            if (!names.Add(name))
                throw new InvalidDataException($"the pod's archive holds {name} twice");
            if (names.Count > ArchiveTarget.MaxEntries)
                throw new InvalidDataException($"the pod's archive holds more than {ArchiveTarget.MaxEntries} files");
            string path = Path.Combine(directory, name);
            if (IsFile(entry))
            {
                room -= Write(entry, path, room);
            }
            else if (entry.EntryType == TarEntryType.Directory)
            {
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                directories.Add(name);
            }
            else if (entry.EntryType == TarEntryType.SymbolicLink)
            {
                // What leads outside would lead to something of this machine; the pod sends files for such links where it can.
                if (ArchiveTarget.LinkStays(name, entry.LinkName))
                    File.CreateSymbolicLink(path, entry.LinkName);
                else
                    leftOut.Add($"{name} -> {entry.LinkName}");
            }
            else
            {
                throw new InvalidDataException($"the pod's archive holds {name}, which is of type {entry.EntryType}");
            }
        }

        return directory;
    }

    private static bool IsFile(TarEntry entry) => entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile;

    private static void Check(string name, HashSet<string> directories)
    {
        string[] parts = name.Split('/');
        bool isWell = parts.Length <= MaxDepth
            && parts.All(static part => part is not ("" or "." or "..") && part.Length <= MaxName && !part.Contains('\0', StringComparison.Ordinal));
        if (!isWell || !directories.Contains(Path.GetDirectoryName(name) ?? ""))
            throw new InvalidDataException($"the pod's archive holds the name \"{name}\", which leads out of it");
    }

    private static long Write(TarEntry entry, string path, long room)
    {
        if (entry.Length > room)
            throw new InvalidDataException($"the pod's archive holds more than {ArchiveTarget.MaxContent >> 20} MiB");
        using (FileStream file = new(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
            entry.DataStream?.CopyTo(file);
        File.SetLastWriteTimeUtc(path, entry.ModificationTime.UtcDateTime);

        // No setuid, and readable for its owner whatever the pod says.
        File.SetUnixFileMode(path, (entry.Mode & ReadableAndRunnable) | UnixFileMode.UserRead);
        return entry.Length;
    }
}
