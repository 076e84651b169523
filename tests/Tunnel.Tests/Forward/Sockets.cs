using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>Descriptors for tests.</summary>
internal static unsafe class Sockets
{
    internal static (FileDescriptor Near, FileDescriptor Far) Pair()
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0, pair));
        return (new FileDescriptor(pair[0]), new FileDescriptor(pair[1]));
    }
}
