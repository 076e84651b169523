using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>
/// Covers a directory by one in memory that holds the same, so that names can be added to it which the user could not make, or should
/// not leave behind.
/// </summary>
/// <remarks>
/// <para>Every file and directory in it is bound into the new one with all that is mounted below, every link is made anew. Sockets and
/// agents stay usable, directories stay live; what is made directly in the covered directory by others later is not seen.</para>
/// <para>The new directory is put together elsewhere and moved over the old one in one step. <c>/</c> cannot be covered so, because every
/// process has it open; there the new directory becomes the root of the namespace (pivot_root(2)).</para>
/// </remarks>
internal static class Veil
{
    private const string OldRoot = ".telepresence-old-root";

    /// <summary>Covers <paramref name="directory"/>.</summary>
    /// <param name="directory">Links followed.</param>
    /// <param name="leaveOut">A name that is not taken over because another thing will have it, or null.</param>
    /// <param name="scratch">An empty directory to put it together on.</param>
    /// <exception cref="IOException">The kernel refused; nothing has changed then.</exception>
    internal static void Cover(string directory, string? leaveOut, string scratch)
    {
        MountCalls.Tmpfs(scratch);
        try
        {
            // Else the mount would be copied into itself, where it lies below the directory.
            MountCalls.MakeUnbindable(scratch);
            foreach (FileSystemInfo entry in new DirectoryInfo(directory).EnumerateFileSystemInfos().Where(entry => entry.Name != leaveOut))
                Take(entry, Path.Combine(scratch, entry.Name));
            MountCalls.MakePrivate(scratch);
            if (directory == "/")
                ReplaceRoot(scratch);
            else
                MountCalls.Move(scratch, directory);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            MountCalls.Detach(scratch);
            throw fault as IOException ?? new IOException(fault.Message, fault);
        }
    }

    private static void ReplaceRoot(string scratch)
    {
        string old = Path.Combine(scratch, OldRoot);
        Directory.CreateDirectory(old);
        MountCalls.PivotRoot(scratch, OldRoot);
        Directory.Delete("/" + OldRoot);
    }

    private static void Take(FileSystemInfo entry, string place)
    {
        if (FileStatus.Read(entry.FullName, follow: false, out FileStatus status) != 0)
            return;
        if (status.Kind == FileKind.Link)
        {
            File.CreateSymbolicLink(place, entry.LinkTarget!);
            return;
        }

        if (status.Kind == FileKind.Directory)
            Directory.CreateDirectory(place);
        else
            File.Create(place).Dispose();
        try
        {
            MountCalls.Bind(entry.FullName, place);
        }
        catch (IOException) when (FileStatus.Read(entry.FullName, follow: false, out _) != 0)
        {
            // It has gone meanwhile.
            if (status.Kind == FileKind.Directory)
                Directory.Delete(place);
            else
                File.Delete(place);
        }
    }
}
