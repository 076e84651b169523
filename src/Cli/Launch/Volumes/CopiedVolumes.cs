using System.Diagnostics;

using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Engine;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>Keeps copies of the pod's volumes in a private directory, for machines without FUSE: asks every two seconds what has changed.</summary>
/// <remarks>Each volume goes its own way, so that one which does not answer leaves the others fresh; but no more than a few are asked for at
/// a time, because the proxy makes no more than a few archives.</remarks>
/// <param name="engine">Whose session is asked through, whichever it is at the time.</param>
/// <param name="directory">The private directory; <c>fs</c> in it is the root that programs see.</param>
/// <param name="mounts">The container's volumes.</param>
/// <param name="log">Gets a line when a copy was renewed or could not be. Any thread.</param>
internal sealed class CopiedVolumes(ConnectEngine engine, string directory, IReadOnlyList<ContainerMount> mounts, Action<string> log) : IDisposable
{
    private const int AtATime = 4, TriesForOneMoment = 3;

    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(2), Patience = TimeSpan.FromSeconds(30), FirstPause = TimeSpan.FromMilliseconds(100);

    private readonly SemaphoreSlim _turns = new(AtATime);
    private readonly List<VolumeCopying> _copies = [];

    /// <summary>The root that programs see.</summary>
    internal string Root => RootOf(directory);

    /// <summary>Sentences about what the copies lack.</summary>
    internal IReadOnlyList<string> Notes =>
        [.. _copies.Where(static copy => copy.LeftOut.Count > 0).Select(static copy => $"The copy of {copy.Path} is without links that lead out of it: {copy.Sample}.")];

    internal static string RootOf(string directory) => Path.Combine(directory, "fs");

    /// <summary>Makes every copy once. When a volume cannot be copied, those in it are tried by themselves.</summary>
    /// <returns>For each path that cannot be copied, why not.</returns>
    internal async Task<IReadOnlyDictionary<string, string>> FillAsync(CancellationToken cancellation)
    {
        Directory.CreateDirectory(Root);
        Dictionary<string, string> refused = [];
        string[] paths = [.. mounts.Select(static mount => mount.Path)];
        while (paths.Length > 0)
        {
            int done = _copies.Count + refused.Count;
            VolumeCopying[] copies = [.. VolumePaths.Outermost(paths).Select((path, index) => new VolumeCopying(path, $"new-{done + index}", IsLoose(path)))];
            await Task.WhenAll(copies.Select(copy => FillAsync(copy, cancellation))).ConfigureAwait(false);
            foreach (VolumeCopying copy in copies.Where(static copy => copy.Refusal is not null))
                refused[copy.Path] = copy.Refusal!;
            _copies.AddRange(copies.Where(static copy => copy.Refusal is null));
            paths = [.. paths.Where(path => !refused.ContainsKey(path) && !_copies.Any(copy => VolumePaths.IsBelow(path, copy.Path)))];
        }

        return refused;
    }

    /// <summary>Renews the copies until it is cancelled.</summary>
    internal Task KeepAsync(CancellationToken cancellation) => Task.WhenAll(_copies.Select(copy => KeepAsync(copy, cancellation)));

    /// <inheritdoc/>
    public void Dispose() => _turns.Dispose();

    // Whether its files are anybody's, and may change at any moment; those that Kubernetes makes change together.
    private bool IsLoose(string path) => mounts.Any(mount => VolumePaths.IsBelow(mount.Path, path) && !VolumeCheck.IsMadeByKubernetes(mount.Kind));

    private async Task FillAsync(VolumeCopying copy, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        string? transient;
        do
        {
            transient = await RenewAsync(copy, limit.Token).ConfigureAwait(false);
            if (transient is not null)
                await Task.Delay(FirstPause, limit.Token).ContinueWith(static _ => { }, TaskScheduler.Default).ConfigureAwait(false);
        }
        while (transient is not null && !limit.IsCancellationRequested);
        cancellation.ThrowIfCancellationRequested();
        if (transient is not null)
            copy.Refusal = $"the pod did not give it within {Patience.TotalSeconds:0} seconds: {transient}";
    }

    private async Task KeepAsync(VolumeCopying copy, CancellationToken cancellation)
    {
        while (true)
        {
            // What is large and changes all the time shall not fill the connection.
            TimeSpan pause = copy.Took * 5 > Pace ? copy.Took * 5 : Pace;
            await Task.Delay(pause, cancellation).ConfigureAwait(false);
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(Patience);
            string? before = copy.Refusal;
            string? transient;
            try
            {
                transient = await RenewAsync(copy, limit.Token).ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                // A fault of ours; without the loop the copy would grow old in silence.
                transient = fault.ToString();
            }

            cancellation.ThrowIfCancellationRequested();
            if (copy.Refusal is not null && copy.Refusal != before)
                log($"{copy.Path} is not copied any more: {copy.Refusal}");
            else if (transient is not null && transient != copy.LastTrouble)
                log($"{copy.Path} could not be compared with the pod's: {transient}");
            copy.LastTrouble = transient;
        }
    }

    // Gives the reason when it may work the next time.
    private async Task<string?> RenewAsync(VolumeCopying copy, CancellationToken limit)
    {
        bool hasTurn = false;
        try
        {
            await _turns.WaitAsync(limit).ConfigureAwait(false);
            hasTurn = true;
            long since = Stopwatch.GetTimestamp();
            if (await AskAsync(copy, limit).ConfigureAwait(false) is not { } answer)
                return "there is no session at present";
            if (answer.Archive is not null)
            {
                Install(copy, answer.Archive);
                if (copy.Fingerprint.Length > 0)
                    log($"{copy.Path} has changed in the pod, and so has the copy");
            }

            copy.Fingerprint = answer.Fingerprint;
            copy.Refusal = null;
            copy.Failures = 0;
            copy.Took = Stopwatch.GetElapsedTime(since);
            return null;
        }
        catch (ArchiveRefusedException fault)
        {
            copy.Refusal = fault.Code == RefuseCode.NoResources
                ? $"{fault.Message}, too much for a copy; with FUSE (the package sshfs, and /dev/fuse) it can be mounted"
                : fault.Message;
            return null;
        }
        catch (InvalidDataException fault)
        {
            copy.Refusal = fault.Message;
            return null;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            return "it took too long";
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            copy.Failures++;
            return fault.Message;
        }
        finally
        {
            if (hasTurn)
                _turns.Release();
        }
    }

    // Null without a session.
    private async Task<ArchiveAnswer?> AskAsync(VolumeCopying copy, CancellationToken limit)
    {
        ArchiveTarget target = new(copy.Path, copy.Fingerprint, Unquiet: copy.IsLoose && copy.Failures >= TriesForOneMoment);
        ArchiveQuery? query = await engine.InvokeAsync(scope =>
        {
            if (scope.Session is not { } session)
                return null;
            ArchiveQuery asked = new(session);
            asked.Ask(target, scope.Loop.Now);
            return asked;
        }).WaitAsync(limit).ConfigureAwait(false);
        if (query is null)
            return null;
        try
        {
            return await query.Answer.WaitAsync(limit).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Not awaited: a loop that has stopped does it never.
            _ = engine.InvokeAsync(scope =>
            {
                query.GiveUp(scope.Loop.Now);
                return true;
            });
            throw;
        }
    }

    private void Install(VolumeCopying copy, MemoryStream archive)
    {
        string staging = Path.Combine(directory, copy.Staging);
        if (Directory.Exists(staging))
            Directory.Delete(staging, recursive: true);
        Directory.CreateDirectory(staging, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        List<string> leftOut = [];
        VolumeCopy.Replace(ArchiveUnpacker.Unpack(archive, staging, leftOut), Root + copy.Path);
        if (!leftOut.SequenceEqual(copy.LeftOut) && copy.Fingerprint.Length > 0 && leftOut.Count > 0)
            log($"the copy of {copy.Path} is without links that lead out of it: {string.Join(", ", leftOut)}");
        copy.LeftOut = leftOut;
        if (Directory.Exists(staging))
            Directory.Delete(staging, recursive: true);
    }
}
