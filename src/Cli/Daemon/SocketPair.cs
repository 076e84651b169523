using System.Net.Sockets;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>Two connected stream sockets: one for .NET's own I/O, one as a plain descriptor.</summary>
internal static class SocketPair
{
    private const int SOCK_NONBLOCK = 0x800;

    /// <summary>Makes a pair; both ends are non-blocking and not inherited.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static unsafe (Socket Socket, FileDescriptor Descriptor) Create()
    {
        int* pair = stackalloc int[2];
        if (Posix.socketpair(Posix.AF_UNIX, Posix.SOCK_STREAM | SOCK_NONBLOCK | Posix.SOCK_CLOEXEC, 0, pair) != 0)
            throw Posix.Failure("socketpair");
        return (new Socket(new SafeSocketHandle(pair[0], ownsHandle: true)), new FileDescriptor(pair[1]));
    }
}
