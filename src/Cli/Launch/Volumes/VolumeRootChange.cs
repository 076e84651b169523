using Telepresence.Cli.Machine;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>
/// A place where the pod's root directory is seen: a private directory to work in, and a mount point, or a link to a copy.
/// </summary>
/// <param name="Base">Our own directory, <c>/tmp/tel-XXXXXX</c>.</param>
/// <param name="Root">The mount point: a directory in it, or the one that the user named.</param>
/// <param name="Existed">Whether the mount point was there.</param>
/// <param name="Copy">What it is a link to, or null for a mount point.</param>
public sealed record VolumeRootChange(string Base, string Root, bool Existed, string? Copy) : Change
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <inheritdoc/>
    public override string Description => $"volumes at {Root}";

    /// <summary>What our mount says to be a mount of: as good as unique, because <see cref="Base"/> is.</summary>
    internal string Source => $"{Path.GetFileName(Base)}:/";

    /// <summary>An empty directory that may be mounted on.</summary>
    internal static string ScratchOf(string directory) => Path.Combine(directory, "scratch");

    /// <inheritdoc/>
    public override Task ApplyAsync(CancellationToken cancellation)
    {
        Directory.CreateDirectory(Base, Private);
        Directory.CreateDirectory(ScratchOf(Base), Private);
        if (Copy is null)
        {
            Directory.CreateDirectory(Root, Private);
            return Task.CompletedTask;
        }

        if (Existed)
            Directory.Delete(Root);
        File.CreateSymbolicLink(Root, Copy);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override async Task UndoAsync(CancellationToken cancellation)
    {
        // Only the links above it: what is mounted at it may be dead.
        string place = Path.Combine(Places.Follow(Path.GetDirectoryName(Root)!), Path.GetFileName(Root));
        await SshfsMount.UnmountAsync(place, Source, cancellation).ConfigureAwait(false);
        if (Copy is not null && new FileInfo(Root).LinkTarget == Copy)
            File.Delete(Root);
        if (Copy is not null && Existed && !Directory.Exists(Root))
            Directory.CreateDirectory(Root);
        if (!Existed)
            RemoveEmpty(Root);
        RemoveEmpty(ScratchOf(Base));
        RemoveEmpty(Base);
    }

    internal static void RemoveEmpty(string path)
    {
        try
        {
            if (FileStatus.Read(path, follow: false, out FileStatus status) != 0)
                return;
            if (status.Kind == FileKind.Directory)
                Directory.Delete(path);
            else if (status is { Kind: FileKind.Regular, Length: 0 })
                File.Delete(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Somebody has put something into it, and it is theirs now.
        }
    }
}

/// <summary>Copies of the pod's volumes are kept in a private directory.</summary>
/// <param name="Directory">On a file system in memory where there is one: secrets do not reach a disk.</param>
public sealed record VolumeCopyChange(string Directory) : Change
{
    /// <inheritdoc/>
    public override string Description => $"copies of volumes in {Directory}";

    /// <inheritdoc/>
    public override Task ApplyAsync(CancellationToken cancellation)
    {
        System.IO.Directory.CreateDirectory(Directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancellation)
    {
        if (System.IO.Directory.Exists(Directory))
            System.IO.Directory.Delete(Directory, recursive: true);
        return Task.CompletedTask;
    }
}

/// <summary>Names are made for mount points in directories of the user's own. The process that mounts makes them.</summary>
/// <param name="Paths">Each behind the one that it lies in. None of them was there.</param>
public sealed record MountPointsChange(IReadOnlyList<string> Paths) : Change
{
    /// <inheritdoc/>
    public override string Description => $"mount points {string.Join(", ", Paths)}";

    /// <inheritdoc/>
    public override Task ApplyAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancellation)
    {
        foreach (string path in Paths.Reverse())
            VolumeRootChange.RemoveEmpty(path);
        return Task.CompletedTask;
    }

    /// <summary>Paths compare by content, so that a record read back from the journal equals the one written.</summary>
    public bool Equals(MountPointsChange? other) => other is not null && Paths.SequenceEqual(other.Paths);

    /// <inheritdoc/>
    public override int GetHashCode() => Paths.Count;
}
