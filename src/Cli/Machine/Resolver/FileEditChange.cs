using System.Text;

namespace Telepresence.Cli.Machine.Resolver;

/// <summary>
/// A configuration file has our part in it (see <see cref="ManagedText"/>). Written in place, because a file that is a mount point
/// cannot be renamed over and a symbolic link must stay one; where it cannot be written, another file is mounted over it.
/// </summary>
/// <remarks>
/// The undo gives back the original byte for byte if the file is as we left it, takes out only our part if somebody has changed it since,
/// and leaves it alone if our part is gone.
/// </remarks>
/// <param name="Path">The file itself, links followed.</param>
/// <param name="Original">What it held, one character for each byte.</param>
/// <param name="Written">What we write, likewise.</param>
/// <param name="Existed">The file was there.</param>
/// <param name="Overlay">File to mount over it if it cannot be written.</param>
public sealed record FileEditChange(string Path, string Original, string Written, bool Existed, string Overlay) : Change
{
    private const UnixFileMode EverybodyReads = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <inheritdoc/>
    public override string Description => Path;

    /// <summary>Prepares the edit of a file as it is now.</summary>
    /// <param name="path">The file or a link to it.</param>
    /// <param name="edit">Gives the new text for the old (without our part), or null if nothing is to be changed.</param>
    /// <param name="overlayDirectory">Where to keep a file that has to be mounted over it.</param>
    /// <param name="cancellation">Ends the tool that follows links.</param>
    internal static async Task<FileEditChange?> PrepareAsync(string path, Func<string, string?> edit, string overlayDirectory, CancellationToken cancellation)
    {
        string real = await FollowLinksAsync(path, cancellation).ConfigureAwait(false);
        string original = ManagedText.Strip(ReadOrEmpty(real));
        string? written = edit(original);
        return written is null
            ? null
            : new FileEditChange(real, original, written, File.Exists(real), System.IO.Path.Combine(overlayDirectory, "telepresence-" + System.IO.Path.GetFileName(path)));
    }

    /// <summary>Text of a file, one character for each byte; empty if there is none.</summary>
    internal static string ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllText(path, Encoding.Latin1);
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            return "";
        }
    }

    /// <summary>The file that a path leads to in the end, whether it exists or not, as /proc/self/mountinfo would name it.</summary>
    internal static async Task<string> FollowLinksAsync(string path, CancellationToken cancellation)
    {
        ToolResult result = await Tool.TryRunAsync("readlink", ["-f", "--", path], null, cancellation).ConfigureAwait(false);
        return result.ExitCode == 0
            ? result.Output.TrimEnd('\n')
            : throw new IOException($"{path} is a link into a directory that does not exist; start the service that makes it, or replace the link by a file.");
    }

    /// <inheritdoc/>
    /// <exception cref="IOException">It can neither be written nor mounted over.</exception>
    public override async Task ApplyAsync(CancellationToken cancellation)
    {
        if (TryWrite(Path, Written))
        {
            if (!Existed)
                File.SetUnixFileMode(Path, EverybodyReads);
            return;
        }

        if (!Existed)
            throw new IOException($"{Path} does not exist and cannot be created; create it, or let it point to a file that exists.");
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Overlay)!);
        await File.WriteAllTextAsync(Overlay, Written, Encoding.Latin1, cancellation).ConfigureAwait(false);
        File.SetUnixFileMode(Overlay, EverybodyReads);
        await Tool.RunAsync("mount", ["--bind", Overlay, Path], null, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async Task UndoAsync(CancellationToken cancellation)
    {
        while (MountTable.IsMountedOver(Path, Overlay))
            await Tool.RunAsync("umount", ["--lazy", Path], null, cancellation).ConfigureAwait(false); // some program may just be reading it
        if (File.Exists(Overlay))
            File.Delete(Overlay);

        string current = ReadOrEmpty(Path);
        if (!Existed && (current == Written || current.Length == 0))
        {
            if (File.Exists(Path))
                File.Delete(Path);
            return;
        }

        string restored = IsAsWeLeftIt(current) ? Original : ManagedText.Strip(current);
        if (restored != current && !TryWrite(Path, restored))
            throw new IOException($"{Path} cannot be written; remove the lines between the telepresence marks by hand.");
    }

    /// <summary>Our text, or what is left when writing it, or the original over it, was ended in the middle (killed, disk full).</summary>
    private bool IsAsWeLeftIt(string current) =>
        current == Written || IsBegun(current, Written, over: Original) || IsBegun(current, Original, over: Written);

    /// <summary>Whether the beginning is of one text and the rest still of the one before.</summary>
    private static bool IsBegun(string current, string next, string over)
    {
        int begun = current.AsSpan().CommonPrefixLength(next);
        return current.Length == over.Length
            ? current.AsSpan(begun).SequenceEqual(over.AsSpan(begun))
            : current.Length > over.Length && current.Length == begun;
    }

    // One write, then the length: whoever reads at the same time sees the old or the new text.
    private static bool TryWrite(string path, string text)
    {
        try
        {
            using FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            file.Write(Encoding.Latin1.GetBytes(text));
            file.SetLength(text.Length);
            return true;
        }
        catch (Exception fault) when (fault is UnauthorizedAccessException or IOException)
        {
            // Read-only file system (EROFS), immutable file (EPERM), file of a missing directory.
            return false;
        }
    }
}
