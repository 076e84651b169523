using System.Globalization;
using System.Runtime.InteropServices;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>Descriptors for tests.</summary>
internal static unsafe partial class Sockets
{
    internal static (FileDescriptor Near, FileDescriptor Far) Pair()
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0, pair));
        return (new FileDescriptor(pair[0]), new FileDescriptor(pair[1]));
    }

    /// <summary>A copy of this process' socket that is bound to <paramref name="port"/>, as a child has between fork and exec.</summary>
    internal static FileDescriptor CopyOfListener(ushort port)
    {
        foreach (string path in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            int descriptor = int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture);
            SocketAddress name = default;
            uint length = SocketAddress.Size;
            if (Libc.getsockname(descriptor, &name, &length) == 0 && name.Port == port)
                return new FileDescriptor(dup(descriptor));
        }

        throw new InvalidOperationException($"No socket of this process is bound to port {port}.");
    }

    [LibraryImport("libc")]
    private static partial int dup(int descriptor);
}
