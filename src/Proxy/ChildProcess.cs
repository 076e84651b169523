using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Proxy;

/// <summary>A child whose standard input and output are one descriptor, which System.Diagnostics.Process cannot give it.</summary>
internal sealed unsafe partial class ChildProcess : IReadyHandler
{
    // posix_spawn_file_actions_t is opaque: 80 bytes in glibc and musl on 64-bit machines.
    private const int FileActionsSize = 256;
    private const int PidfdOpen = 434;

    private readonly EventLoop _loop;
    private readonly FileDescriptor _pidfd;
    private readonly int _pid;
    private readonly Action<int> _exited;

    private ChildProcess(EventLoop loop, int pid, FileDescriptor pidfd, Action<int> exited)
    {
        _loop = loop;
        _pid = pid;
        _pidfd = pidfd;
        _exited = exited;
        loop.Add(pidfd.Number, Readiness.Read, this);
    }

    /// <summary>Starts a program with an empty environment.</summary>
    /// <param name="loop">Notices its end.</param>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, from argv[0] on.</param>
    /// <param name="standardInputAndOutput">Becomes its descriptors 0 and 1.</param>
    /// <param name="exited">Gets the wait status (waitpid(2)) on the loop's thread.</param>
    /// <exception cref="IOException">It cannot be started; the message says why.</exception>
    internal static ChildProcess Start(
        EventLoop loop, string path, IReadOnlyList<string> arguments, FileDescriptor standardInputAndOutput, Action<int> exited)
    {
        byte* actions = stackalloc byte[FileActionsSize];
        int error = posix_spawn_file_actions_init(actions);
        if (error != 0)
            throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
        nint[] argv = [.. arguments.Select(Marshal.StringToCoTaskMemUTF8), 0];
        try
        {
            error = posix_spawn_file_actions_adddup2(actions, standardInputAndOutput.Number, 0);
            if (error == 0)
                error = posix_spawn_file_actions_adddup2(actions, standardInputAndOutput.Number, 1);
            int pid = 0;
            nint noEnvironment = 0;
            if (error == 0)
            {
                fixed (byte* file = Encoding.UTF8.GetBytes(path + '\0'))
                fixed (nint* list = argv)
                    error = posix_spawn(&pid, file, actions, null, list, &noEnvironment);
            }

            if (error != 0)
                throw new IOException($"starting {path}: {Marshal.GetPInvokeErrorMessage(error)}", error);
            return new ChildProcess(loop, pid, OpenPidfd(pid), exited);
        }
        finally
        {
            foreach (nint argument in argv)
                Marshal.FreeCoTaskMem(argument);
            _ = posix_spawn_file_actions_destroy(actions);
        }
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        int status = 0;
        const int noHang = 1;
        if (waitpid(_pid, &status, noHang) == 0)
            return;
        _loop.Remove(_pidfd.Number);
        _pidfd.Dispose();
        _exited(status);
    }

    // A descriptor that becomes readable when the child has ended, Linux 5.3.
    private static FileDescriptor OpenPidfd(int pid)
    {
        nint fd = syscall(PidfdOpen, pid, 0);
        return fd >= 0 ? new FileDescriptor((int)fd) : throw Libc.Failure("pidfd_open");
    }

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int from, int to);

    [LibraryImport("libc")]
    private static partial int posix_spawn(int* pid, byte* path, byte* actions, void* attributes, nint* arguments, nint* environment);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nint first, nint second);
}
