using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// A program that is started as a shell would start it: with this process's terminal, process group and open files, and with no setting
/// of the terminal or of signals touched.
/// </summary>
/// <remarks>
/// <see cref="System.Diagnostics.Process"/> restores what it believes to be the terminal's settings when a child ends, which is wrong
/// where the child is an interactive shell, and cannot say how a child ended or hand over a chosen descriptor.
/// </remarks>
internal sealed unsafe partial class ChildProcess
{
    private const short SetSignalDefaults = 0x04, SetSignalMask = 0x08;
    private const int SIGPIPE = 13;
    private const int EINTR = 4, WUNTRACED = 2;

    private readonly TaskCompletionSource<int> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly Action<int>? _stopped;

    private ChildProcess(int id, Action<int>? stopped)
    {
        Id = id;
        _stopped = stopped;
    }

    /// <summary>Its process id.</summary>
    internal int Id { get; }

    /// <summary>Ends with its exit status as shells have it: 128 and the signal's number where a signal ended it.</summary>
    internal Task<int> Exited => _exited.Task;

    /// <summary>Starts a program.</summary>
    /// <param name="program">Full path.</param>
    /// <param name="arguments">All arguments, the program's own name first.</param>
    /// <param name="environment">All variables.</param>
    /// <param name="directory">Where it starts; null for here, which is kept even if the directory has no name any more.</param>
    /// <param name="stopped">Called with its id each time when it has been stopped, as by Ctrl-Z; on a thread of its own.</param>
    /// <param name="descriptors">Descriptors as the program gets them: <c>Theirs</c> is a copy of <c>Ours</c>.</param>
    /// <exception cref="IOException">It could not be started; <see cref="Exception.HResult"/> is errno.</exception>
    internal static ChildProcess Start(
        string program,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        string? directory,
        Action<int>? stopped,
        params ReadOnlySpan<(int Ours, int Theirs)> descriptors)
    {
        // Larger than the structures of glibc (336 and 80 bytes) and musl.
        byte* attributes = stackalloc byte[1024];
        byte* actions = stackalloc byte[1024];
        ulong* signals = stackalloc ulong[16];
        Check(posix_spawnattr_init(attributes), program);
        Check(posix_spawn_file_actions_init(actions), program);
        try
        {
            // The runtime ignores SIGPIPE; other programs die of it, and scripts count on that.
            new Span<ulong>(signals, 16).Clear();
            Check(posix_spawnattr_setsigmask(attributes, signals), program);
            signals[0] = 1UL << (SIGPIPE - 1);
            Check(posix_spawnattr_setsigdefault(attributes, signals), program);
            Check(posix_spawnattr_setflags(attributes, SetSignalDefaults | SetSignalMask), program);

            // Also where both numbers are the same: then the copy is the same descriptor without close-on-exec.
            foreach ((int ours, int theirs) in descriptors)
                Check(posix_spawn_file_actions_adddup2(actions, ours, theirs), program);
            if (directory is not null)
                Check(posix_spawn_file_actions_addchdir_np(actions, directory), directory);
            using NativeStrings argv = new(arguments), envp = new(environment.Select(static variable => $"{variable.Key}={variable.Value}"));
            int pid;
            Check(posix_spawn(&pid, program, actions, attributes, argv.Pointer, envp.Pointer), program);
            ChildProcess child = new(pid, stopped);
            new Thread(child.Wait, maxStackSize: 256 * 1024) { IsBackground = true, Name = $"child {pid}" }.Start();
            return child;
        }
        finally
        {
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>Becomes another program: same process, same terminal. Returns only by failing.</summary>
    /// <param name="program">Full path.</param>
    /// <param name="arguments">All arguments, the program's own name first.</param>
    /// <param name="environment">All variables.</param>
    /// <exception cref="IOException">It could not be executed; <see cref="Exception.HResult"/> is errno.</exception>
    internal static void Become(string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        using NativeStrings argv = new(arguments), envp = new(environment.Select(static variable => $"{variable.Key}={variable.Value}"));

        // An ignored signal stays ignored in the new program; the runtime ignores this one.
        nint before = signal(SIGPIPE, 0);
        _ = execve(program, argv.Pointer, envp.Pointer);
        IOException failure = Posix.Failure(program);
        _ = signal(SIGPIPE, before);
        throw failure;
    }

    private void Wait()
    {
        int status = 0;
        int waited;
        while (true)
        {
            waited = waitpid(Id, &status, WUNTRACED);
            if (waited < 0 && Marshal.GetLastPInvokeError() == EINTR)
                continue;
            if (waited < 0 || (status & 0xff) != 0x7f)
                break;
            _stopped?.Invoke(Id);
        }

        // Only somebody else who waited for it could have taken its status.
        if (waited < 0)
            _exited.TrySetException(Posix.Failure($"waiting for process {Id}"));
        else
            _exited.TrySetResult((status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f));
    }

    private static void Check(int error, string what)
    {
        if (error != 0)
            throw new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn(int* pid, string path, void* actions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(void* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigmask(void* attributes, void* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(void* attributes, void* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(void* actions, int from, int to);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn_file_actions_addchdir_np(void* actions, string path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int execve(string path, byte** argv, byte** envp);

    [LibraryImport("libc")]
    private static partial nint signal(int number, nint handler);

    /// <summary>A null-terminated array of C strings.</summary>
    private sealed class NativeStrings : IDisposable
    {
        private readonly nint[] _strings;

        internal NativeStrings(IEnumerable<string> texts)
        {
            _strings = GC.AllocateArray<nint>(texts.Count() + 1, pinned: true);
            int i = 0;
            foreach (string text in texts)
            {
                byte[] bytes = Encoding.UTF8.GetBytes(text + '\0');
                _strings[i] = Marshal.AllocHGlobal(bytes.Length);
                Marshal.Copy(bytes, 0, _strings[i++], bytes.Length);
            }
        }

        internal byte** Pointer => (byte**)Marshal.UnsafeAddrOfPinnedArrayElement(_strings, 0);

        public void Dispose()
        {
            foreach (nint text in _strings)
                Marshal.FreeHGlobal(text);
        }
    }
}
