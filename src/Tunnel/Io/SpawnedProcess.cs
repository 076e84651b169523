using System.Runtime.InteropServices;
using System.Text;

namespace Telepresence.Tunnel.Io;

/// <summary>A child whose standard streams are given descriptors, which System.Diagnostics.Process cannot give it.</summary>
internal sealed unsafe partial class SpawnedProcess : IDisposable
{
    // posix_spawn_file_actions_t and posix_spawnattr_t are opaque: 80 and 336 bytes in glibc and musl on 64-bit machines.
    private const int FileActionsSize = 256, AttributesSize = 512;
    private const short SetSession = 0x80;
    private const nint PidfdOpen = 434, PidfdSendSignal = 424;

    private SpawnedProcess(int id, FileDescriptor pidfd)
    {
        Id = id;
        Pidfd = pidfd;
    }

    /// <summary>Its number.</summary>
    internal int Id { get; }

    /// <summary>Becomes readable when it has ended.</summary>
    internal FileDescriptor Pidfd { get; }

    /// <summary>Starts a program.</summary>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, from argv[0] on.</param>
    /// <param name="environment">Its variables, <c>NAME=value</c>.</param>
    /// <param name="streams">What becomes its descriptors 0, 1 and so on; -1 for what it has from this process.</param>
    /// <param name="ownSession">Whether it leaves the terminal, so that Ctrl-C does not reach it.</param>
    /// <exception cref="IOException">It cannot be started; the message says why.</exception>
    internal static SpawnedProcess Start(
        string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, ReadOnlySpan<int> streams, bool ownSession)
    {
        byte* actions = stackalloc byte[FileActionsSize];
        byte* attributes = stackalloc byte[AttributesSize];
        int error = posix_spawn_file_actions_init(actions);
        if (error != 0)
            throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
        error = posix_spawnattr_init(attributes);
        nint[] argv = [.. arguments.Select(Marshal.StringToCoTaskMemUTF8), 0], variables = [.. environment.Select(Marshal.StringToCoTaskMemUTF8), 0];
        try
        {
            for (int stream = 0; stream < streams.Length && error == 0; stream++)
            {
                if (streams[stream] >= 0)
                    error = posix_spawn_file_actions_adddup2(actions, streams[stream], stream);
            }

            if (error == 0 && ownSession)
                error = posix_spawnattr_setflags(attributes, SetSession);
            int pid = 0;
            if (error == 0)
            {
                fixed (byte* file = Encoding.UTF8.GetBytes(path + '\0'))
                fixed (nint* list = argv, variableList = variables)
                    error = posix_spawn(&pid, file, actions, attributes, list, variableList);
            }

            if (error != 0)
                throw new IOException($"starting {path}: {Marshal.GetPInvokeErrorMessage(error)}", error);
            return new SpawnedProcess(pid, OpenPidfd(pid));
        }
        finally
        {
            foreach (nint text in argv.Concat(variables))
                Marshal.FreeCoTaskMem(text);
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>Takes the child's end from the kernel if it has ended.</summary>
    /// <param name="status">The wait status (waitpid(2)).</param>
    internal bool TryReap(out int status)
    {
        int taken = 0;
        const int noHang = 1;
        bool ended = waitpid(Id, &taken, noHang) != 0;
        status = taken;
        return ended;
    }

    /// <summary>Waits until the child has ended; blocks the calling thread.</summary>
    /// <returns>The wait status.</returns>
    internal int WaitForExit()
    {
        int status = 0;
        while (waitpid(Id, &status, 0) < 0 && Libc.Errno == Libc.EINTR)
        {
        }

        return status;
    }

    /// <summary>Sends a signal to this child and to no other process that has its number later.</summary>
    internal void Signal(int signal) => _ = syscall(PidfdSendSignal, Pidfd.Number, signal, 0, 0);

    /// <inheritdoc/>
    public void Dispose() => Pidfd.Dispose();

    // Linux 5.3.
    private static FileDescriptor OpenPidfd(int pid)
    {
        nint fd = syscall(PidfdOpen, pid, 0, 0, 0);
        return fd >= 0 ? new FileDescriptor((int)fd) : throw Libc.Failure("pidfd_open");
    }

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int from, int to);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport("libc")]
    private static partial int posix_spawn(int* pid, byte* path, byte* actions, byte* attributes, nint* arguments, nint* environment);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nint first, nint second, nint third, nint fourth);
}
