using System.Runtime.InteropServices;

using Telepresence.Tunnel.Buffers;

namespace Telepresence.Tunnel.Io;

/// <summary>The Linux system calls that .NET has no allocation-free or no way at all to reach. x86-64 and arm64, glibc and musl.</summary>
internal static unsafe partial class Libc
{
    internal const int O_RDWR = 2;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_CLOEXEC = 0x80000;

    internal const int EPERM = 1, EINTR = 4, EAGAIN = 11, EINVAL = 22, EPIPE = 32, EINPROGRESS = 115, ECONNRESET = 104,
        ECONNREFUSED = 111, EHOSTUNREACH = 113, ENETUNREACH = 101, ETIMEDOUT = 110, EADDRINUSE = 98, EACCES = 13,
        EBUSY = 16, ENOENT = 2, ENOBUFS = 105, EMSGSIZE = 90, EMFILE = 24, ENFILE = 23, ECONNABORTED = 103, EADDRNOTAVAIL = 99,
        EIO = 5, ENODEV = 19, ENXIO = 6, EBADFD = 77, ENOMEM = 12, EAFNOSUPPORT = 97, EPROTONOSUPPORT = 93,
        EHOSTDOWN = 112, ENONET = 64, ENOTDIR = 20;

    internal const int AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10;
    internal const int SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_NONBLOCK = O_NONBLOCK, SOCK_CLOEXEC = O_CLOEXEC;
    internal const int IPPROTO_ICMP = 1, IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_IPV6 = 41, IPPROTO_ICMPV6 = 58;
    internal const int SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_ERROR = 4, SO_SNDBUF = 7, SO_RCVBUF = 8, SO_KEEPALIVE = 9, SO_LINGER = 13, SO_PEERCRED = 17;
    internal const int TCP_NODELAY = 1, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5, TCP_KEEPCNT = 6, TCP_CONGESTION = 13, TCP_NOTSENT_LOWAT = 25;
    internal const int IPPROTO_IP = 0, IP_RECVERR = 11, IP_LOCAL_PORT_RANGE = 51, IPV6_V6ONLY = 26, IPV6_RECVERR = 25;
    internal const int SHUT_RD = 0, SHUT_WR = 1;
    internal const int MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, MSG_PEEK = 2, MSG_TRUNC = 0x20, MSG_ERRQUEUE = 0x2000;

    internal const int EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int open(byte* path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint read(int fd, void* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint write(int fd, void* buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint readv(int fd, IoVector* vectors, int count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint writev(int fd, IoVector* vectors, int count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socketpair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int connect(int fd, void* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int bind(int fd, void* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int listen(int fd, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int accept4(int fd, void* address, uint* length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int shutdown(int fd, int how);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getsockname(int fd, void* address, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getsockopt(int fd, int level, int name, void* value, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setsockopt(int fd, int level, int name, void* value, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recv(int fd, void* buffer, nuint count, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint send(int fd, void* buffer, nuint count, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint sendto(int fd, void* buffer, nuint count, int flags, void* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recvfrom(int fd, void* buffer, nuint count, int flags, void* address, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint sendmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recvmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_ctl(int epoll, int operation, int fd, void* epollEvent);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_wait(int epoll, void* events, int capacity, int timeoutMilliseconds);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int timerfd_create(int clock, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int timerfd_settime(int fd, int flags, TimerSpec* value, TimerSpec* old);

    [LibraryImport("libc")]
    internal static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int access(byte* path, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int rename(byte* from, byte* to);

    /// <summary><c>struct msghdr</c> of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MessageHeader
    {
        internal void* Name;
        internal uint NameLength;
        internal IoVector* Vectors;
        internal nuint VectorCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    /// <summary><c>struct itimerspec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct TimerSpec
    {
        internal long IntervalSeconds, IntervalNanoseconds, ValueSeconds, ValueNanoseconds;
    }

    /// <summary><c>errno</c> of the last call on this thread.</summary>
    internal static int Errno => Marshal.GetLastPInvokeError();

    /// <summary>An exception that says which call failed, on what, and why.</summary>
    internal static IOException Failure(string what) => new($"{what}: {Describe(Errno)}", Errno);

    /// <summary>Whether this process's real user may do something with a file: 4 read, 2 write, 1 execute or pass through, or a sum.</summary>
    internal static bool MayAccess(string path, int mode)
    {
        fixed (byte* at = System.Text.Encoding.UTF8.GetBytes(path + '\0'))
            return access(at, mode) == 0;
    }

    /// <summary>Renames anything over anything of its sort in one step, links themselves included.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static void Rename(string from, string to)
    {
        fixed (byte* source = System.Text.Encoding.UTF8.GetBytes(from + '\0'), target = System.Text.Encoding.UTF8.GetBytes(to + '\0'))
        {
            if (rename(source, target) != 0)
                throw Failure($"renaming {from} to {to}");
        }
    }

    /// <summary>What the platform says about an errno.</summary>
    internal static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);
}
