using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>
/// Mounts the pod's volumes in the mount namespace of the process that it runs in: at the root that programs get as
/// <c>$TELEPRESENCE_ROOT</c>, and, in a namespace that is the tree's own, at their real paths.
/// </summary>
/// <remarks>
/// Every step may wait for the pod (a mount call looks its paths up), so all of them run apart from the caller and against a deadline; when
/// that passes, sshfs is killed and whatever waits fails.
/// </remarks>
/// <param name="turn">Held while something is mounted: nobody else may change the mounts of this namespace meanwhile. The caller's.</param>
/// <param name="user">For whom root does this, whatever the requests say; null where it is the user, or root's own.</param>
internal sealed class VolumeMounter(SemaphoreSlim turn, HolderUser? user = null) : IVolumeHost, IAsyncDisposable
{
    private readonly MountGuard _guard = new(user);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    // Pseudo files of the pod's kernel: some never end, and reading them could hold up the file server.
    private static readonly string[] Hidden = ["/proc", "/sys", "/dev"];

    // Where each volume went the first time; a mount anew goes there again.
    private readonly Dictionary<string, string> _targets = [];
    private readonly List<string> _bound = [];
    private readonly List<string> _veils = [];
    private VolumeRequest? _request;
    private SshfsMount? _sshfs;

    /// <inheritdoc/>
    public Task<VolumeReport> ApplyAsync(VolumeRequest request, FileDescriptor? files, CancellationToken cancellation)
    {
        _request = user is null ? request : request with { Uid = user.Uid, Gid = user.Gid };
        return MountAsync(_request, files, anew: false, cancellation);
    }

    /// <inheritdoc/>
    public Task<VolumeReport> RemountAsync(FileDescriptor files, CancellationToken cancellation) =>
        MountAsync(_request ?? throw new InvalidOperationException("Nothing was mounted before."), files, anew: true, cancellation);

    /// <inheritdoc/>
    public async Task UnmountAsync(CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await TakeAwayAsync().ConfigureAwait(false);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await TakeAwayAsync().ConfigureAwait(false);

    private async Task<VolumeReport> MountAsync(VolumeRequest request, FileDescriptor? files, bool anew, CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            // Until the new ones stand, the old ones answer with an error: nothing is read from, or written to, what they cover.
            if (anew)
                await EndSshfsAsync().ConfigureAwait(false);
            else
                await TakeAwayAsync().ConfigureAwait(false);
            if (request.RealPaths)
                MountCalls.LeaveHost();
            if (request.Sshfs)
            {
                if (SshfsMount.WhyNot(withHelper: !request.RealPaths && Libc.geteuid() != 0) is { } reason)
                    return new VolumeReport { Failure = reason };
                _sshfs = await SshfsMount.StartAsync(
                    request, files ?? throw new ArgumentNullException(nameof(files)), request.RealPaths || Libc.geteuid() == 0, _guard, cancellation).ConfigureAwait(false);
            }

            Task<VolumeReport> placing = Task.Run(() => Place(request), CancellationToken.None);
            if (await Task.WhenAny(placing, Task.Delay(Patience, cancellation)).ConfigureAwait(false) != placing)
            {
                _sshfs?.Kill();
                await placing.ConfigureAwait(false);
                cancellation.ThrowIfCancellationRequested();
                return new VolumeReport { Failure = $"the pod's files did not answer within {Patience.TotalSeconds:0} seconds" };
            }

            return await placing.ConfigureAwait(false);
        }
        catch (IOException fault)
        {
            return new VolumeReport { Failure = fault.Message };
        }
        finally
        {
            turn.Release();
        }
    }

    // sshfs first: what waits for it fails then, and nothing waits for it any more.
    private async Task TakeAwayAsync()
    {
        _sshfs?.Kill();
        foreach (string target in Enumerable.Reverse(_bound))
            MountCalls.Detach(target);
        _bound.Clear();
        await EndSshfsAsync().ConfigureAwait(false);
    }

    private async Task EndSshfsAsync()
    {
        if (_sshfs is not null)
            await _sshfs.DisposeAsync().ConfigureAwait(false);
        _sshfs = null;
    }

    private VolumeReport Place(VolumeRequest request)
    {
        Dictionary<string, string?> notes = [];
        if (request.RealPaths)
        {
            string workingDirectory = Environment.CurrentDirectory;
            foreach (string veil in _veils)
                On(veil, MountCalls.MakeTmpfsWritable);
            if (request.Sshfs)
                Hide(request.Root);
            foreach (string path in VolumePaths.Outermost(request.Mounts.Select(static mount => mount.Path)))
                notes[path] = PutAtRealPath(path, request);

            // For an ordinary user these directories were not writable, and nothing may seem to be kept in them.
            foreach (string veil in _veils.Where(_ => request.Uid != 0))
                On(veil, MountCalls.MakeTmpfsReadOnly);

            // What was covered is still where this process is; those that it starts shall see what is there now.
            Environment.CurrentDirectory = workingDirectory;
        }

        return new VolumeReport { Volumes = [.. request.Mounts.Select(mount => Report(mount, notes, request))] };
    }

    private static PlacedVolume Report(ContainerMount mount, Dictionary<string, string?> notes, VolumeRequest request)
    {
        string? outermost = notes.Keys.FirstOrDefault(path => VolumePaths.IsBelow(mount.Path, path));
        string? note = outermost is null ? null : notes[outermost];
        bool atRealPath = outermost is not null && note is null;
        return new PlacedVolume
        {
            Path = mount.Path,
            AtRealPath = atRealPath,
            Note = outermost == mount.Path ? note : null,
            Problem = VolumeCheck.Look(mount, atRealPath ? mount.Path : request.Root + mount.Path),
        };
    }

    // They lie in the root's mount and go with it.
    private void Hide(string root)
    {
        foreach (string directory in Hidden.Select(name => root + name).Where(Directory.Exists))
        {
            using MountPlace place = _guard.Target(directory);
            MountCalls.Tmpfs(place.Path, readOnly: true);
        }
    }

    // Gives the reason when it stays away.
    private string? PutAtRealPath(string path, VolumeRequest request)
    {
        string source = request.Root + path;
        if (FileStatus.Read(source, follow: true, out FileStatus status) != 0)
            return $"The pod has nothing at {path}.";
        bool isDirectory = status.Kind == FileKind.Directory;
        if (status.Kind == FileKind.Other)
            return $"The pod's volume at {path} is a socket, a pipe or a device, which cannot be had on another machine.";
        try
        {
            if (!_targets.TryGetValue(path, out string? target))
            {
                Placement placement = Placement.Plan(path, isDirectory, request, new Places(directory => IsGround(directory, request)));
                if (placement.Way == PlacementWay.Leave)
                    return placement.Note;
                _guard.Check(placement.Target);
                target = Prepare(placement, isDirectory, request);
            }

            // The first mount at a place stays beneath all later ones, dead: there is no moment at which what they cover is seen.
            if (_bound.Count(bound => bound == target) > 1 && MountCalls.Detach(target))
                _bound.Remove(target);
            using (MountPlace from = _guard.Source(source), to = _guard.Target(target))
                MountCalls.Bind(from.Path, to.Path);
            _bound.Add(target);
            _targets[path] = target;
            if (!request.Writable)
                On(target, MountCalls.MakeReadOnly);
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return $"The pod's volume at {path} is only at $TELEPRESENCE_ROOT{path}: {fault.Message}.";
        }
    }

    private string Prepare(Placement placement, bool isDirectory, VolumeRequest request)
    {
        if (placement.Way == PlacementWay.Veil)
        {
            _guard.Cover(placement.Parent, leaveOut: Rest(placement)[0], request.Scratch);
            _veils.Add(placement.Parent);
        }

        if (placement.Way != PlacementWay.Cover)
            _guard.Make(placement.Parent, Rest(placement), isDirectory, isVeil: _veils.Contains(placement.Parent));
        return placement.Target;
    }

    private void On(string place, Action<string> change)
    {
        using MountPlace itself = _guard.Itself(place);
        change(itself.Path);
    }

    // Ours as well as the user's: what was made new in memory may be added to.
    private bool IsGround(string directory, VolumeRequest request) =>
        request.Grounds.Contains(directory) || _veils.Any(veil => VolumePaths.IsBelow(directory, veil) && IsOnSameFileSystem(directory, veil));

    private static bool IsOnSameFileSystem(string one, string other) =>
        FileStatus.Read(one, follow: true, out FileStatus first) == 0
        && FileStatus.Read(other, follow: true, out FileStatus second) == 0
        && first.Device == second.Device;

    private static string[] Rest(Placement placement) =>
        placement.Target[placement.Parent.Length..].Split('/', StringSplitOptions.RemoveEmptyEntries);
}
