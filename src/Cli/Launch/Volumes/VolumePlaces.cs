using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Machine;
using Telepresence.Cli.Machine.Resolver;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>Directories on this machine for a tree's volumes: made, noted in the journal, and taken away again.</summary>
internal sealed class VolumePlaces(Journal journal, VolumeSettings settings)
{
    private const string Temporary = "/tmp", SharedMemory = "/dev/shm";

    private readonly List<Change> _changes = [];
    private readonly string _base = Path.Combine(Temporary, $"tel-{Places.RandomSuffix()}");
    private VolumeRootChange? _root;
    private FileDescriptor? _claim;

    /// <summary>Where the pod's root directory is seen.</summary>
    internal string Root => settings.Mount.Path ?? Path.Combine(_base, "fs");

    /// <summary>Makes the mount point, or the link to a copy in its place, and says what is to be mounted.</summary>
    /// <param name="copy">The copy, or null for sshfs.</param>
    /// <param name="mounts">The volumes that are to be had.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="UserError">The place that the user named is in use.</exception>
    internal async Task<VolumeRequest> PrepareAsync(string? copy, IReadOnlyList<ContainerMount> mounts, CancellationToken cancellation)
    {
        if (_root is not null)
        {
            await journal.UndoAsync(_root, cancellation).ConfigureAwait(false);
            _changes.Remove(_root);
            _claim?.Dispose();
        }

        // Time has passed since the flag was read.
        if (settings.Mount.Path is not null)
            MountOption.Check(settings.Mount.Path, settings.Mount.Path);
        _root = new VolumeRootChange(_base, Root, Directory.Exists(Root), copy);
        await ApplyAsync(_root, cancellation).ConfigureAwait(false);
        if (settings.Mount.Path is not null && copy is null)
            _claim = MountClaim.TryTake(Root) ?? throw MountOption.Taken(settings.Mount.Path);
        VolumeRequest request = new()
        {
            Root = copy is null ? Places.Follow(Root) : Root,
            Sshfs = copy is null,
            Source = _root.Source,
            Writable = settings.Writable,
            RealPaths = settings.RealPaths,
            Scratch = VolumeRootChange.ScratchOf(_base),
            Mounts = mounts,
            Uid = settings.Uid,
            Gid = settings.Gid,
            Home = Places.Follow(settings.Home),
            Kept = [.. Kept().Distinct()],
            Programs = [.. Programs().Distinct()],
        };
        return settings.RealPaths ? await WithGroundsAsync(request, cancellation).ConfigureAwait(false) : request;
    }

    /// <summary>Makes the private directory for copies.</summary>
    internal async Task<string> PrepareCopyAsync(CancellationToken cancellation)
    {
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        string[] candidates = [runtime ?? "", SharedMemory, Temporary];
        string place = candidates.First(static candidate => candidate == Temporary || IsWritableMemory(candidate));
        string directory = Path.Combine(place, $"telepresence-volumes-{Places.RandomSuffix()}");
        await ApplyAsync(new VolumeCopyChange(directory), cancellation).ConfigureAwait(false);
        return directory;
    }

    /// <summary>Takes everything back, newest first.</summary>
    internal async Task UndoAsync()
    {
        foreach (Change change in Enumerable.Reverse(_changes).ToArray())
        {
            try
            {
                if (journal.Open.Contains(change))
                    await journal.UndoAsync(change, CancellationToken.None).ConfigureAwait(false);
                _changes.Remove(change);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // It stays in the journal, whose owner tries again.
                settings.Log($"{change.Description} could not be taken back: {fault.Message}");
            }
        }

        _claim?.Dispose();
    }

    private Task ApplyAsync(Change change, CancellationToken cancellation)
    {
        _changes.Add(change);
        return journal.ApplyAsync(change, cancellation);
    }

    private static bool IsWritableMemory(string directory)
    {
        const int writeAndPass = 2 | 1;
        string mount = directory;
        while (mount.Length > 1 && MountTable.TypeAt(mount) is null)
            mount = Path.GetDirectoryName(mount)!;
        return directory.Length > 1 && MountTable.TypeAt(mount) == "tmpfs" && Libc.MayAccess(directory, writeAndPass);
    }

    // Where the user works and what runs must stay what it is.
    private IEnumerable<string> Kept() =>
        from path in (string?[])[settings.Home, settings.WorkingDirectory, Temporary, _base, Root, AppContext.BaseDirectory, Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR"), Environment.ProcessPath]
        where !string.IsNullOrEmpty(path) && (Directory.Exists(path) || File.Exists(path))
        select Places.Follow(path);

    // A relative directory means another one wherever a program runs.
    private static IEnumerable<string> Programs() =>
        from entry in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        where entry.StartsWith('/')
        let path = VolumePaths.Normalize(entry)
        where path != "/"
        from spelling in (string[])[path, Places.Follow(path)]
        where spelling != "/"
        select spelling;

    // Which names would have to be made for real: in directories of the user's own, where a veil would swallow what is made in them later.
    private async Task<VolumeRequest> WithGroundsAsync(VolumeRequest request, CancellationToken cancellation)
    {
        string[] own = [.. from path in (string[])[settings.Home, settings.WorkingDirectory, Temporary, "/var/tmp"] where Directory.Exists(path) select Places.Follow(path)];
        const int writeAndPass = 2 | 1;
        Places places = new(directory => own.Any(place => place != "/" && VolumePaths.IsBelow(directory, place))
            || (settings.Uid != 0 && Libc.MayAccess(directory, writeAndPass)));
        HashSet<string> grounds = [];
        List<string> made = [];
        foreach (string path in VolumePaths.Outermost(request.Mounts.Select(static mount => mount.Path)))
        {
            Placement placement = Placement.Plan(path, isDirectory: true, request, places);
            if (placement.Way != PlacementWay.Make)
                continue;
            grounds.Add(placement.Parent);
            for (string name = placement.Target; name != placement.Parent; name = Path.GetDirectoryName(name)!)
                made.Add(name);
        }

        if (made.Count == 0)
            return request;
        MountPointsChange change = new([.. made.Distinct().Order(StringComparer.Ordinal)]);
        if (!_changes.Contains(change))
            await ApplyAsync(change, cancellation).ConfigureAwait(false);
        return request with { Grounds = [.. grounds, .. made.Distinct()] };
    }
}
