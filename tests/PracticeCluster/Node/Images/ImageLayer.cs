using System.Formats.Tar;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Applies one layer to a root directory (image-spec, "Applying Changesets").</summary>
internal static class ImageLayer
{
    private const string Whiteout = ".wh.";
    private const string Opaque = ".wh..wh..opq";

    internal static async Task ApplyAsync(Stream layer, string root, CancellationToken cancel)
    {
        var lookup = new LayeredRoot([root]);
        await using var reader = new TarReader(layer);
        while (await reader.GetNextEntryAsync(copyData: false, cancel) is TarEntry entry)
        {
            string name = "/" + entry.Name.Trim('/');
            if (name is "/" or "/.")
                continue;
            string file = Path.GetFileName(name);
            // Links in the parent's path are followed inside the root, never out of it.
            string parent = root + lookup.Resolve(Path.GetDirectoryName(name)!).Path;
            string path = Path.Combine(parent, file);
            if (file is ".." or ".")
                throw new InvalidDataException($"a layer has an entry named {entry.Name}");
            Directory.CreateDirectory(parent);
            if (file == Opaque)
                Clear(parent);
            else if (file.StartsWith(Whiteout, StringComparison.Ordinal))
                Remove(Path.Combine(parent, file[Whiteout.Length..]));
            else
                await PutAsync(entry, path, root, lookup, cancel);
        }
    }

    private static async Task PutAsync(TarEntry entry, string path, string root, LayeredRoot lookup, CancellationToken cancel)
    {
        bool isDirectory = entry.EntryType == TarEntryType.Directory;
        if (!isDirectory || !new DirectoryInfo(path).Exists || new DirectoryInfo(path).LinkTarget is not null)
            Remove(path);
        switch (entry.EntryType)
        {
            case TarEntryType.Directory:
                Directory.CreateDirectory(path);
                break;
            case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                await using (FileStream output = File.Create(path))
                {
                    if (entry.DataStream is not null)
                        await entry.DataStream.CopyToAsync(output, cancel);
                }

                break;
            case TarEntryType.SymbolicLink:
                File.CreateSymbolicLink(path, entry.LinkName);
                break;
            case TarEntryType.HardLink:
                Native.Check(Native.Link(root + lookup.Resolve(entry.LinkName).Path, path), $"cannot link {entry.Name}");
                return;
            default:
                // Devices and pipes: a container's /dev is made anew for it.
                return;
        }

        Native.Check(Native.ChangeOwner(path, entry.Uid, entry.Gid), $"cannot give {entry.Name} its owner");
        if (entry.EntryType != TarEntryType.SymbolicLink)
            File.SetUnixFileMode(path, entry.Mode);
    }

    private static void Clear(string directory)
    {
        foreach (string entry in Directory.EnumerateFileSystemEntries(directory))
            Remove(entry);
    }

    private static void Remove(string path)
    {
        var directory = new DirectoryInfo(path);
        if (directory.LinkTarget is null && directory.Exists)
            directory.Delete(recursive: true);
        else
            File.Delete(path);
    }
}
