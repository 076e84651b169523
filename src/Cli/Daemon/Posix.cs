using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>The calls of libc about processes, users and sockets that .NET does not offer. 64-bit Linux, glibc and musl.</summary>
internal static unsafe partial class Posix
{
    internal const int SIGTERM = 15, SIGKILL = 9;
    internal const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_SEQPACKET = 5, SOCK_CLOEXEC = 0x80000;
    internal const int MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000, MSG_TRUNC = 0x20, MSG_CTRUNC = 0x08;
    internal const int SHUT_RDWR = 2;
    internal const int EINTR = 4, EAGAIN = 11, EPIPE = 32, ECONNRESET = 104, ENOTCONN = 107;
    private const int F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, O_NONBLOCK = 0x800, FD_CLOEXEC = 1, F_DUPFD_CLOEXEC = 1030, O_CLOEXEC = 0x80000;
    private const int SOL_SOCKET = 1, SO_PEERCRED = 17;
    private const int ERANGE = 34;

    /// <summary>A user of this machine, from the user database.</summary>
    internal sealed record UserEntry(uint Uid, uint Gid, string Name, string Home);

    /// <summary>Who is at the other end of a Unix socket, as the kernel saw it when it connected.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PeerCredentials
    {
        internal int Pid;
        internal uint Uid;
        internal uint Gid;
    }

    /// <summary>The effective user id; 0 is root.</summary>
    [LibraryImport("libc")]
    internal static partial uint geteuid();

    [LibraryImport("libc")]
    internal static partial uint getegid();

    [LibraryImport("libc")]
    internal static partial int getppid();

    /// <summary>Leaves the terminal and the process group; fails harmlessly for a group leader.</summary>
    [LibraryImport("libc")]
    internal static partial int setsid();

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socketpair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int shutdown(int fd, int how);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int lchown(byte* path, uint uid, uint gid);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int open(byte* path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int tcgetpgrp(int fd);

    [LibraryImport("libc")]
    private static partial int getpgrp();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int statx(int directory, byte* path, int flags, uint mask, byte* result);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* ends, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockopt(int fd, int level, int name, void* value, uint* length);

    [LibraryImport("libc")]
    private static partial int getpwuid_r(uint uid, Passwd* entry, byte* buffer, nuint length, Passwd** result);

    /// <summary>Gives a file to another user; a symbolic link is not followed.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static void ChangeOwner(string path, uint uid, uint gid)
    {
        fixed (byte* at = Encoding.UTF8.GetBytes(path + '\0'))
        {
            if (lchown(at, uid, gid) != 0)
                throw Failure($"chown {path}");
        }
    }

    /// <summary>Opens a device, or a file that others have locked, for reading and writing; not inherited.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static FileDescriptor OpenForUse(string path)
    {
        const int readWrite = 2, closeOnExec = 0x80000;
        fixed (byte* at = Encoding.UTF8.GetBytes(path + '\0'))
        {
            int fd = open(at, readWrite | closeOnExec);
            return fd >= 0 ? new FileDescriptor(fd) : throw Failure(path);
        }
    }

    /// <summary>Whether this process is in the foreground of its terminal, to which the terminal's keys send their signals.</summary>
    internal static bool IsInForeground()
    {
        const int readWrite = 2, noTerminal = 0x100, closeOnExec = 0x80000;
        fixed (byte* path = "/dev/tty\0"u8)
        {
            int terminal = open(path, readWrite | noTerminal | closeOnExec);
            if (terminal < 0)
                return false;
            bool foreground = tcgetpgrp(terminal) == getpgrp();
            _ = close(terminal);
            return foreground;
        }
    }

    /// <summary>The user id of a file's owner; a symbolic link is not followed.</summary>
    /// <exception cref="IOException">There is no such file.</exception>
    internal static uint OwnerOf(string path)
    {
        const int workingDirectory = -100, noFollow = 0x100;
        const uint wantsUid = 0x8;

        // struct statx: 256 bytes, the same on every architecture; stx_uid is at 20.
        byte* result = stackalloc byte[256];
        fixed (byte* at = Encoding.UTF8.GetBytes(path + '\0'))
        {
            if (statx(workingDirectory, at, noFollow, wantsUid, result) != 0)
                throw Failure(path);
        }

        return *(uint*)(result + 20);
    }

    /// <summary>Points standard input, output and error to <paramref name="file"/>, so that nobody waits for this process to close them.</summary>
    internal static void RedirectStandardStreams(SafeHandle file)
    {
        for (int stream = 0; stream <= 2; stream++)
        {
            if (dup2((int)file.DangerousGetHandle(), stream) < 0)
                throw Failure("dup2");
        }
    }

    /// <summary>Says whether programs that this process starts inherit the descriptor.</summary>
    internal static void SetInheritable(int fd, bool inheritable)
    {
        if (fcntl(fd, F_SETFD, inheritable ? 0 : FD_CLOEXEC) < 0)
            throw Failure($"fcntl on descriptor {fd}");
    }

    /// <summary>Has calls on the descriptor return at once.</summary>
    internal static void SetNonBlocking(int fd)
    {
        int flags = fcntl(fd, F_GETFL, 0);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
            throw Failure($"fcntl on descriptor {fd}");
    }

    /// <summary>A pipe; neither end is inherited.</summary>
    internal static (FileDescriptor Read, FileDescriptor Write) CreatePipe()
    {
        int* ends = stackalloc int[2];
        return pipe2(ends, O_CLOEXEC) == 0 ? (new FileDescriptor(ends[0]), new FileDescriptor(ends[1])) : throw Failure("pipe2");
    }

    /// <summary>Another number for an open file; not inherited.</summary>
    internal static FileDescriptor Duplicate(int fd)
    {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return copy >= 0 ? new FileDescriptor(copy) : throw Failure($"duplicating descriptor {fd}");
    }

    /// <summary>Gives an open file another number, whatever that stood for before.</summary>
    internal static void MoveDescriptor(int from, int to)
    {
        if (from == to)
            return;
        if (dup2(from, to) < 0)
            throw Failure("dup2");
        _ = close(from);
    }

    /// <summary>
    /// Closes what this process got from the one that started it: a lock file or a pipe of some script must not stay open for as long as a
    /// daemon runs. What the runtime has opened itself is marked to be closed on exec, and so told apart.
    /// </summary>
    /// <param name="except">A descriptor that is meant for this process, or -1.</param>
    internal static void CloseInherited(int except)
    {
        foreach (string entry in Directory.GetFileSystemEntries("/proc/self/fd"))
        {
            if (!int.TryParse(Path.GetFileName(entry), CultureInfo.InvariantCulture, out int fd) || fd <= 2 || fd == except)
                continue;
            if (fcntl(fd, F_GETFD, 0) is >= 0 and var flags && (flags & FD_CLOEXEC) == 0)
                _ = close(fd);
        }
    }

    /// <summary>Who connected to the socket <paramref name="fd"/>.</summary>
    internal static PeerCredentials PeerOf(int fd)
    {
        PeerCredentials peer;
        uint length = (uint)sizeof(PeerCredentials);
        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer : throw Failure("SO_PEERCRED");
    }

    /// <summary>The user database's entry of <paramref name="uid"/>, or null.</summary>
    internal static UserEntry? FindUser(uint uid)
    {
        byte[] buffer = new byte[1024];
        while (true)
        {
            Passwd entry;
            Passwd* result;
            fixed (byte* at = buffer)
            {
                int error = getpwuid_r(uid, &entry, at, (nuint)buffer.Length, &result);
                if (error == 0)
                    return result == null ? null : new UserEntry(entry.Uid, entry.Gid, Text(entry.Name), Text(entry.Directory));
                if (error != ERANGE)
                    throw new IOException($"looking up user {uid}: {Marshal.GetPInvokeErrorMessage(error)}", error);
            }

            buffer = new byte[buffer.Length * 2];
        }
    }

    internal static IOException Failure(string what)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{what}: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    private static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    /// <summary><c>struct passwd</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Passwd
    {
        internal byte* Name;
        internal byte* Password;
        internal uint Uid;
        internal uint Gid;
        internal byte* Gecos;
        internal byte* Directory;
        internal byte* Shell;
    }
}
