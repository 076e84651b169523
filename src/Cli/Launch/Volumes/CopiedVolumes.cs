using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Engine;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>Keeps copies of the pod's volumes in a private directory, for machines without FUSE: asks every two seconds what has changed.</summary>
/// <param name="engine">Whose session is asked through, whichever it is at the time.</param>
/// <param name="directory">The private directory; <c>fs</c> in it is the root that programs see.</param>
/// <param name="mounts">The container's volumes.</param>
/// <param name="log">Gets a line when a copy was renewed or could not be.</param>
internal sealed class CopiedVolumes(ConnectEngine engine, string directory, IReadOnlyList<ContainerMount> mounts, Action<string> log)
{
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(2), Patience = TimeSpan.FromSeconds(30);

    private readonly Copy[] _copies = [.. VolumePaths.Outermost(mounts.Select(static mount => mount.Path)).Select(static path => new Copy(path))];

    /// <summary>The root that programs see.</summary>
    internal string Root => RootOf(directory);

    internal static string RootOf(string directory) => Path.Combine(directory, "fs");

    /// <summary>Makes every copy once.</summary>
    /// <returns>For each path that cannot be copied, why not.</returns>
    internal async Task<IReadOnlyDictionary<string, string>> FillAsync(CancellationToken cancellation)
    {
        Directory.CreateDirectory(Root);
        foreach (Copy copy in _copies)
        {
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(Patience);
            string? transient;
            do
            {
                transient = await RenewAsync(copy, limit.Token).ConfigureAwait(false);
                if (transient is not null)
                    await Task.Delay(TimeSpan.FromMilliseconds(100), limit.Token).ContinueWith(static _ => { }, TaskScheduler.Default).ConfigureAwait(false);
            }
            while (transient is not null && !limit.IsCancellationRequested);
            cancellation.ThrowIfCancellationRequested();
            if (transient is not null)
                copy.Refusal = $"the pod did not give it within {Patience.TotalSeconds:0} seconds: {transient}";
        }

        return _copies.Where(static copy => copy.Refusal is not null).ToDictionary(static copy => copy.Path, static copy => copy.Refusal!);
    }

    /// <summary>Renews the copies until it is cancelled.</summary>
    internal async Task KeepAsync(CancellationToken cancellation)
    {
        while (true)
        {
            await Task.Delay(Pace, cancellation).ConfigureAwait(false);
            foreach (Copy copy in _copies)
            {
                string? before = copy.Refusal;
                string? transient = await RenewAsync(copy, cancellation).ConfigureAwait(false);
                if (copy.Refusal is not null && copy.Refusal != before)
                    log($"{copy.Path} is not copied any more: {copy.Refusal}");
                else if (transient is not null && transient != copy.LastTrouble)
                    log($"{copy.Path} could not be compared with the pod's: {transient}");
                copy.LastTrouble = transient;
            }
        }
    }

    // Gives the reason when it may work the next time.
    private async Task<string?> RenewAsync(Copy copy, CancellationToken cancellation)
    {
        try
        {
            ArchiveTarget target = new(copy.Path, copy.Fingerprint);
            ArchiveQuery? query = await engine.InvokeAsync(scope =>
            {
                if (scope.Session is not { } session)
                    return null;
                ArchiveQuery asked = new(session);
                asked.Ask(target, scope.Loop.Now);
                return asked;
            }).WaitAsync(cancellation).ConfigureAwait(false);
            if (query is null)
                return "there is no session at present";
            ArchiveAnswer answer = await query.Answer.WaitAsync(cancellation).ConfigureAwait(false);
            if (answer.Archive is not null)
            {
                Install(copy, answer.Archive);
                if (copy.Fingerprint.Length > 0)
                    log($"{copy.Path} has changed in the pod, and so has the copy");
            }

            copy.Fingerprint = answer.Fingerprint;
            copy.Refusal = null;
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
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return "it took too long";
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return fault.Message;
        }
    }

    private void Install(Copy copy, MemoryStream archive)
    {
        string staging = Path.Combine(directory, "new");
        if (Directory.Exists(staging))
            Directory.Delete(staging, recursive: true);
        Directory.CreateDirectory(staging, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        VolumeCopy.Replace(ArchiveUnpacker.Unpack(archive, staging), Root + copy.Path);
        if (Directory.Exists(staging))
            Directory.Delete(staging, recursive: true);
    }

    private sealed class Copy(string path)
    {
        internal string Path => path;

        internal byte[] Fingerprint { get; set; } = [];

        internal string? Refusal { get; set; }

        internal string? LastTrouble { get; set; }
    }
}
