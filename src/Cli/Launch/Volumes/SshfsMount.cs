using System.Collections;
using System.Globalization;

using Microsoft.Win32.SafeHandles;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Machine;
using Telepresence.Cli.Machine.Resolver;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>One running sshfs, whose file server is at the other end of a socket.</summary>
/// <remarks>
/// <para>Passive mode: no ssh, the protocol goes through standard input and output. It ends when the socket does.</para>
/// <para>Links are followed in the pod, so that they lead where they lead there and never to a file of this machine. Nothing is remembered
/// for more than a second, and lengths not at all by the kernel, so that a file that is replaced is seen, and seen whole.</para>
/// <para>In a session of its own: Ctrl-C is for the user's command.</para>
/// <para>What comes from the pod is read with the user's rights: where root mounts for a user, sshfs is that user's and gets an open /dev/fuse
/// in place of a mount point.</para>
/// </remarks>
internal sealed class SshfsMount : IAsyncDisposable
{
    private const string FuseDevice = "/dev/fuse";
    private const string DeviceInSshfs = "/dev/fd/3";
    private const int ReadAndWrite = 4 | 2;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15), LookAgain = TimeSpan.FromMilliseconds(5);

    private readonly SpawnedProcess _process;
    private readonly Task _ended;
    private readonly Task<string> _said;
    private readonly string _root, _source;
    private readonly bool _mountedBefore;

    private SshfsMount(SpawnedProcess process, SafeFileHandle errors, string root, string source, bool mountedBefore)
    {
        _process = process;
        _root = root;
        _source = source;
        _mountedBefore = mountedBefore;
        _ended = Task.Factory.StartNew(() => { process.WaitForExit(); }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        _said = Task.Factory.StartNew(() => ReadAll(errors), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Why this machine cannot mount with sshfs, as part of a sentence, or null.</summary>
    internal static string? WhyNot(bool withHelper)
    {
        if (!File.Exists(FuseDevice))
            return $"this machine has no {FuseDevice}";
        if (!Libc.MayAccess(FuseDevice, ReadAndWrite))
            return $"{FuseDevice} may not be opened by this user";
        return IsInstalled("sshfs") ? withHelper && !IsInstalled("fusermount3") ? "fusermount3 is not installed" : null : "sshfs is not installed";
    }

    /// <summary>Mounts.</summary>
    /// <param name="request">Where, and for whom.</param>
    /// <param name="socket">The file server's stream; stays the caller's.</param>
    /// <param name="forEverybody">Whether other users of the namespace may use it: those that the tree has.</param>
    /// <param name="guard">Says whether root does this for a user.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">It did not work; the message is part of a sentence.</exception>
    internal static async Task<SshfsMount> StartAsync(VolumeRequest request, FileDescriptor socket, bool forEverybody, MountGuard guard, CancellationToken cancellation)
    {
        List<string> options =
        [
            "passive", "follow_symlinks", "dir_cache=yes", "dcache_timeout=1", "dcache_stat_timeout=1", "dcache_dir_timeout=1", "dcache_link_timeout=1",
            "entry_timeout=1", "attr_timeout=0", "negative_timeout=0",
            string.Create(CultureInfo.InvariantCulture, $"uid={request.Uid}"), string.Create(CultureInfo.InvariantCulture, $"gid={request.Gid}"),
        ];
        using FileDescriptor? device = guard.User is null ? null : MountFor(guard, request);
        if (device is null)
            options.AddRange(["nosuid", "nodev", .. request.Writable ? (string[])[] : ["ro"], .. forEverybody ? (string[])["allow_other"] : []]);
        (SafeFileHandle errors, SafeFileHandle errorsEnd) = MakePipe();
        SpawnedProcess process;
        using (errorsEnd)
        {
            string[] environment = [.. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(static entry => $"{entry.Key}={entry.Value}")];
            IReadOnlyList<string> before = guard.User is { } user ? HolderJoin.UserLine(user) : [];
            IReadOnlyList<string> line = [.. before, Tool.Find("sshfs"), request.Source, device is null ? request.Root : DeviceInSshfs, "-f", "-o", string.Join(',', options)];
            int[] streams = [socket.Number, socket.Number, (int)errorsEnd.DangerousGetHandle()];
            process = SpawnedProcess.Start(line[0], line, environment, device is null ? streams : [.. streams, device.Number], ownSession: true);
        }

        SshfsMount mount = new(process, errors, request.Root, request.Source, mountedBefore: device is not null);
        try
        {
            await mount.WaitUntilMountedAsync(cancellation).ConfigureAwait(false);
            return mount;
        }
        catch
        {
            await mount.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends it at once: whoever waits for a file of it gets an error.</summary>
    internal void Kill() => _process.Signal(Posix.SIGKILL);

    /// <summary>Ends it and takes its mount away; what is open in it fails from now on.</summary>
    public async ValueTask DisposeAsync()
    {
        Kill();
        await _ended.ConfigureAwait(false);
        _process.Dispose();
        await UnmountAsync(_root, _source, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Takes our mounts at a place away, and nobody else's.</summary>
    /// <param name="root">The place, links followed.</param>
    /// <param name="source">What they say to be mounts of; no other session says the same.</param>
    /// <param name="cancellation">Gives up.</param>
    internal static async Task UnmountAsync(string root, string source, CancellationToken cancellation)
    {
        for (int most = 10; most > 0 && IsMounted(root, source); most--)
        {
            if (!MountCalls.Detach(root))
                await Tool.TryRunAsync("fusermount3", ["-u", "-z", root], null, cancellation).ConfigureAwait(false);
        }
    }

    private static bool IsMounted(string root, string source) => MountTable.TopmostAt(root) == ("fuse.sshfs", source);

    private async Task WaitUntilMountedAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);

        // A look at it waits until sshfs serves, and fails when that has ended.
        Task<int> looking = _mountedBefore ? Task.Run(() => FileStatus.Read(_root, follow: true, out _), CancellationToken.None) : Task.FromResult(0);
        while (!looking.IsCompleted || await looking.ConfigureAwait(false) != 0 || !IsMounted(_root, _source))
        {
            if (_ended.IsCompleted)
            {
                string said = (await _said.WaitAsync(limit.Token).ConfigureAwait(false)).Trim().ReplaceLineEndings("; ");
                throw new IOException(said.Length > 0 ? $"sshfs said: {said}" : "sshfs ended at once");
            }

            try
            {
                await Task.Delay(LookAgain, limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                throw new IOException($"sshfs did not mount within {Patience.TotalSeconds:0} seconds");
            }
        }
    }

    // sshfs gets the descriptor; when it ends, so does the mount.
    private static FileDescriptor MountFor(MountGuard guard, VolumeRequest request)
    {
        FileDescriptor device = Posix.OpenForUse(FuseDevice);
        try
        {
            using MountPlace place = guard.Target(request.Root);
            MountCalls.Fuse(request.Source, place.Path, device.Number, request.Uid, request.Gid, readOnly: !request.Writable);
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    private static bool IsInstalled(string program)
    {
        try
        {
            Tool.Find(program);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static unsafe (SafeFileHandle Reader, SafeFileHandle Writer) MakePipe()
    {
        int* pair = stackalloc int[2];
        if (Posix.socketpair(Posix.AF_UNIX, Posix.SOCK_STREAM | Posix.SOCK_CLOEXEC, 0, pair) != 0)
            throw Posix.Failure("socketpair");
        return (new SafeFileHandle(pair[0], ownsHandle: true), new SafeFileHandle(pair[1], ownsHandle: true));
    }

    private static string ReadAll(SafeFileHandle errors)
    {
        using StreamReader reader = new(new FileStream(errors, FileAccess.Read, bufferSize: 0));
        return reader.ReadToEnd();
    }
}
