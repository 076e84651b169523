using System.Net.Sockets;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>Two connected stream sockets: one for a thread that waits in its calls, one as a plain descriptor for an event loop.</summary>
internal static class SocketPair
{
    /// <summary>Makes a pair; neither end is inherited, and the descriptor is non-blocking.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static unsafe (Socket Socket, FileDescriptor Descriptor) Create()
    {
        int* pair = stackalloc int[2];
        if (Posix.socketpair(Posix.AF_UNIX, Posix.SOCK_STREAM | Posix.SOCK_CLOEXEC, 0, pair) != 0)
            throw Posix.Failure("socketpair");
        Posix.SetNonBlocking(pair[1]);
        return (new Socket(new SafeSocketHandle(pair[0], ownsHandle: true)), new FileDescriptor(pair[1]));
    }
}
