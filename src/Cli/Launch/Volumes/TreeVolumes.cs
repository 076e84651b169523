using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Engine;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>What a session knows when it wants the pod's volumes.</summary>
internal sealed record VolumeSettings
{
    /// <summary>The flag <c>--mount</c>.</summary>
    public MountOption Mount { get; init; } = MountOption.Default;

    /// <summary>The flag <c>--mount-write</c>.</summary>
    public bool Writable { get; init; }

    /// <summary>The container's volumes.</summary>
    public required IReadOnlyList<ContainerMount> Mounts { get; init; }

    /// <summary>Whether the pod can serve files for sshfs (<see cref="Telepresence.Tunnel.Forward.PodReport.ServesFiles"/>).</summary>
    public bool ServesFiles { get; init; } = true;

    /// <summary>Whether the tree has a mount namespace of its own.</summary>
    public bool RealPaths { get; init; }

    /// <summary>The user whom the tree belongs to.</summary>
    public required uint Uid { get; init; }

    /// <summary>Their group.</summary>
    public required uint Gid { get; init; }

    /// <summary>Their home directory.</summary>
    public required string Home { get; init; }

    /// <summary>Where their command will run.</summary>
    public required string WorkingDirectory { get; init; }

    /// <summary>Gets lines for the log.</summary>
    public Action<string> Log { get; init; } = static _ => { };
}

/// <summary>
/// The pod's volumes for one process tree: mounted with sshfs where this machine has FUSE, copied and kept fresh where it has not; at their
/// real paths where the tree has a mount namespace.
/// </summary>
internal sealed class TreeVolumes : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(500), LongestPause = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stopping = new();
    private readonly IVolumeHost _host;
    private readonly VolumePlaces _places;
    private readonly VolumeSettings _settings;
    private IReadOnlyList<ContainerMount> _had;
    private Task _keeping = Task.CompletedTask;
    private CopiedVolumes? _copies;

    private TreeVolumes(IVolumeHost host, VolumePlaces places, VolumeSettings settings)
    {
        _host = host;
        _places = places;
        _settings = settings;
        _had = settings.Mounts;
    }

    /// <summary>What the tree's processes get: TELEPRESENCE_ROOT and TELEPRESENCE_MOUNTS.</summary>
    internal IReadOnlyDictionary<string, string> Variables { get; private set; } = new Dictionary<string, string>();

    /// <summary><c>sshfs</c>, <c>copy</c> or <c>none</c>.</summary>
    internal string Method { get; private set; } = "none";

    /// <summary>Sentences for the user: why volumes are copies, which are not at their real paths.</summary>
    internal IReadOnlyList<string> Notes { get; private set; } = [];

    /// <summary>Mounts or copies everything, and looks whether it is there.</summary>
    /// <param name="engine">With a session.</param>
    /// <param name="journal">Where changes to the machine are noted.</param>
    /// <param name="host">Mounts; <see cref="VolumeMounter"/> itself where the tree has no mount namespace.</param>
    /// <param name="settings">What is wanted.</param>
    /// <param name="cancellation">Gives up. What was noted in the journal stays noted.</param>
    /// <exception cref="UserError">A volume is empty or partial, or cannot be had as asked for.</exception>
    internal static async Task<TreeVolumes> StartAsync(
        ConnectEngine engine, Journal journal, IVolumeHost host, VolumeSettings settings, CancellationToken cancellation)
    {
        settings = settings with { Mounts = [.. settings.Mounts.Select(static mount => mount with { Path = VolumePaths.Normalize(mount.Path) })] };
        TreeVolumes volumes = new(host, new VolumePlaces(journal, settings), settings);
        if (!settings.Mount.IsWanted)
            return volumes;
        try
        {
            await volumes.StartAsync(engine, cancellation).ConfigureAwait(false);
            return volumes;
        }
        catch
        {
            await volumes.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Takes everything away.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _keeping.ConfigureAwait(false);
        _copies?.Dispose();
        try
        {
            await _host.UnmountAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is UserError or IOException)
        {
            // Whoever held the namespace has gone, and the mounts with it.
            _settings.Log($"unmounting the volumes: {fault.Message}");
        }

        await _places.UndoAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task StartAsync(ConnectEngine engine, CancellationToken cancellation)
    {
        string? whyNot = _settings.ServesFiles ? await TryMountAsync(engine, cancellation).ConfigureAwait(false) : "the pod's image has no file server";
        if (whyNot is not null)
            await CopyAsync(engine, whyNot, cancellation).ConfigureAwait(false);
        Variables = new Dictionary<string, string>
        {
            ["TELEPRESENCE_ROOT"] = _places.Root,
            ["TELEPRESENCE_MOUNTS"] = string.Join(':', _had.Select(static mount => mount.Path)),
        };
    }

    // Gives the reason why it did not work.
    private async Task<string?> TryMountAsync(ConnectEngine engine, CancellationToken cancellation)
    {
        VolumeRequest request = await _places.PrepareAsync(copy: null, _settings.Mounts, cancellation).ConfigureAwait(false);
        FilesLink link = await engine.AddServiceAsync(scope => new FilesLink(scope, _settings.Writable)).ConfigureAwait(false);
        FilesConnection connection;
        try
        {
            connection = await OpenAsync(engine, link, cancellation).ConfigureAwait(false);
        }
        catch (IOException fault)
        {
            return fault.Message;
        }

        VolumeReport report;
        using (connection)
            report = await _host.ApplyAsync(request, connection.Socket, cancellation).ConfigureAwait(false);
        if (report.Failure is not null)
            return report.Failure;
        ThrowOnProblems(report);
        Method = "sshfs";
        Notes = NotesOf(report);
        _keeping = WatchAsync(KeepMountedAsync(engine, link, connection, _stopping.Token));
        return null;
    }

    private async Task CopyAsync(ConnectEngine engine, string whyNot, CancellationToken cancellation)
    {
        if (_settings.Writable)
            throw new UserError(ExitCode.Volumes, $"The pod's volumes cannot be written from here, because they cannot be mounted: {whyNot}; leave --mount-write away to get a copy.");
        string directory = await _places.PrepareCopyAsync(cancellation).ConfigureAwait(false);
        _copies = new CopiedVolumes(engine, directory, _settings.Mounts, _settings.Log);
        IReadOnlyDictionary<string, string> refused = await _copies.FillAsync(cancellation).ConfigureAwait(false);
        ThrowOnRefused(refused);
        _had = [.. _settings.Mounts.Where(mount => !refused.ContainsKey(mount.Path))];
        VolumeRequest request = await _places.PrepareAsync(_copies.Root, _had, cancellation).ConfigureAwait(false);
        VolumeReport report = await _host.ApplyAsync(request, files: null, cancellation).ConfigureAwait(false);
        if (report.Failure is not null)
            throw new UserError(ExitCode.Volumes, $"The pod's volumes cannot be shown: {report.Failure}; go on without them: --mount false.");
        ThrowOnProblems(report);
        Method = "copy";
        Notes =
        [
            $"Volumes are read-only copies, renewed every 2 seconds: {whyNot}.",
            .. refused.Select(static entry => $"The pod's volume at {entry.Key} is not copied: {entry.Value}."),
            .. _copies.Notes,
            .. NotesOf(report),
        ];
        _keeping = WatchAsync(_copies.KeepAsync(_stopping.Token));
    }

    // A program can do nothing without its settings and secrets; a cache or a large store it may never ask for.
    private void ThrowOnRefused(IReadOnlyDictionary<string, string> refused)
    {
        string[] needed = [.. _settings.Mounts.Where(static mount => VolumeCheck.IsMadeByKubernetes(mount.Kind)).Select(static mount => mount.Path)];
        string[] sentences =
        [
            .. from entry in refused
               where needed.Contains(entry.Key)
               select $"The pod's volume at {entry.Key} cannot be copied: {entry.Value}; make it readable, or go on without volumes: --mount false.",
        ];
        if (sentences.Length > 0)
            throw new UserError(ExitCode.Volumes, string.Join(' ', sentences));
    }

    // The socket ends with the pod, with its file server, or with sshfs; each time everything is mounted anew.
    private async Task KeepMountedAsync(ConnectEngine engine, FilesLink link, FilesConnection connection, CancellationToken stopping)
    {
        while (true)
        {
            await connection.Ended.WaitAsync(stopping).ConfigureAwait(false);
            _settings.Log("the volumes' file server or sshfs has ended; they are mounted anew");
            TimeSpan pause = FirstPause;
            while (await RemountAsync(engine, link, stopping).ConfigureAwait(false) is var (next, failure))
            {
                if (next is not null)
                {
                    connection = next;
                    break;
                }

                _settings.Log($"the volumes could not be mounted anew: {failure}; once more in {pause.TotalSeconds:0.#} seconds");
                await Task.Delay(pause, stopping).ConfigureAwait(false);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    private async Task<(FilesConnection? Connection, string? Failure)> RemountAsync(ConnectEngine engine, FilesLink link, CancellationToken stopping)
    {
        try
        {
            FilesConnection connection = await OpenAsync(engine, link, stopping).ConfigureAwait(false);
            VolumeReport report;
            using (connection)
                report = await _host.RemountAsync(connection.Socket, stopping).ConfigureAwait(false);
            if (report.Failure is not null)
                return (null, report.Failure);
            foreach (string problem in report.Volumes.Select(static volume => volume.Problem).OfType<string>())
                _settings.Log(problem);
            _settings.Log("the volumes are mounted again");
            return (connection, null);
        }
        catch (Exception fault) when (fault is IOException or UserError)
        {
            return (null, fault.Message);
        }
    }

    // A loop that has stopped answers nothing more.
    private static async Task<FilesConnection> OpenAsync(ConnectEngine engine, FilesLink link, CancellationToken cancellation)
    {
        Task<FilesConnection> opening = await engine.InvokeAsync(_ => link.Open()).WaitAsync(cancellation).ConfigureAwait(false);
        return await opening.WaitAsync(cancellation).ConfigureAwait(false);
    }

    // Without its task the volumes would grow old in silence.
    private async Task WatchAsync(Task keeping)
    {
        try
        {
            await keeping.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The session is over.
        }
        catch (Exception fault)
        {
            _settings.Log($"the volumes are not kept fresh any more: {fault}");
        }
    }

    private static void ThrowOnProblems(VolumeReport report)
    {
        string[] problems = [.. report.Volumes.Select(static volume => volume.Problem).OfType<string>()];
        if (problems.Length > 0)
            throw new UserError(ExitCode.Volumes, string.Join(' ', problems));
    }

    private static IReadOnlyList<string> NotesOf(VolumeReport report) => [.. report.Volumes.Select(static volume => volume.Note).OfType<string>()];
}
