using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>Sockets as this program wants them: non-blocking, closed on exec, without delays.</summary>
internal static unsafe class SocketOptions
{
    private const int KeepAliveIdleSeconds = 60, KeepAliveIntervalSeconds = 15, KeepAliveProbes = 4;

    /// <summary>Makes a socket.</summary>
    /// <returns>Null when the kernel refused; <see cref="Libc.Errno"/> says why.</returns>
    internal static FileDescriptor? Open(int family, int type, int protocol = 0)
    {
        int fd = Libc.socket(family, type | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, protocol);
        return fd < 0 ? null : new FileDescriptor(fd);
    }

    /// <summary>connect(2).</summary>
    /// <returns>0 or errno; EINPROGRESS is the usual answer of a TCP socket.</returns>
    internal static int Connect(FileDescriptor socket, NetAddress address, ushort port)
    {
        SocketAddress name = new(address, port);
        return Libc.connect(socket.Number, &name, name.Length) == 0 ? 0 : Libc.Errno;
    }

    /// <summary>bind(2); <paramref name="family"/> is the socket's.</summary>
    /// <returns>0 or errno.</returns>
    internal static int Bind(FileDescriptor socket, NetAddress address, ushort port, int family)
    {
        SocketAddress name = new(address, port, family);
        return Libc.bind(socket.Number, &name, name.Length) == 0 ? 0 : Libc.Errno;
    }

    /// <summary>The port that the socket is bound to.</summary>
    internal static ushort LocalPort(FileDescriptor socket)
    {
        SocketAddress name = default;
        uint length = SocketAddress.Size;
        return Libc.getsockname(socket.Number, &name, &length) == 0 ? name.Port : throw Libc.Failure("getsockname");
    }

    /// <summary>Reads and clears the error that waits on a socket.</summary>
    /// <returns>0 or errno.</returns>
    internal static int TakeError(int socket)
    {
        int error = 0;
        uint length = sizeof(int);
        return Libc.getsockopt(socket, Libc.SOL_SOCKET, Libc.SO_ERROR, &error, &length) == 0 ? error : Libc.Errno;
    }

    /// <summary>A connection that carries somebody's traffic: nothing is held back, and a dead peer is noticed in two minutes.</summary>
    internal static void PrepareConnection(int socket)
    {
        Set(socket, Libc.IPPROTO_TCP, Libc.TCP_NODELAY, 1);
        Set(socket, Libc.SOL_SOCKET, Libc.SO_KEEPALIVE, 1);
        Set(socket, Libc.IPPROTO_TCP, Libc.TCP_KEEPIDLE, KeepAliveIdleSeconds);
        Set(socket, Libc.IPPROTO_TCP, Libc.TCP_KEEPINTVL, KeepAliveIntervalSeconds);
        Set(socket, Libc.IPPROTO_TCP, Libc.TCP_KEEPCNT, KeepAliveProbes);
    }

    /// <summary>Makes the next close send a reset and not an orderly end.</summary>
    internal static void ResetOnClose(int socket)
    {
        long onWithoutTime = 1;
        Libc.setsockopt(socket, Libc.SOL_SOCKET, Libc.SO_LINGER, &onWithoutTime, sizeof(long));
    }

    /// <summary>Sets a whole-number option. An option that this kind of socket does not have is no fault.</summary>
    internal static bool Set(int socket, int level, int name, int value) =>
        Libc.setsockopt(socket, level, name, &value, sizeof(int)) == 0;

    /// <summary>Sets an option whose value is text.</summary>
    internal static bool SetText(int socket, int level, int name, ReadOnlySpan<byte> value)
    {
        fixed (byte* text = value)
            return Libc.setsockopt(socket, level, name, text, (uint)value.Length) == 0;
    }

    /// <summary>What an errno means to the program whose flow it hit.</summary>
    internal static RefuseCode ToRefuseCode(int errno) => errno switch
    {
        Libc.ECONNREFUSED => RefuseCode.Refused,
        Libc.EHOSTUNREACH or Libc.EHOSTDOWN or Libc.ENONET => RefuseCode.HostUnreachable,
        Libc.ENETUNREACH or Libc.EAFNOSUPPORT => RefuseCode.NetUnreachable,
        Libc.ETIMEDOUT => RefuseCode.TimedOut,
        Libc.EACCES or Libc.EPERM => RefuseCode.Prohibited,
        Libc.EADDRINUSE => RefuseCode.AddressInUse,
        Libc.EADDRNOTAVAIL => RefuseCode.AddressNotAvailable,
        Libc.ECONNRESET or Libc.EPIPE or Libc.ECONNABORTED => RefuseCode.ConnectionReset,
        Libc.EMFILE or Libc.ENFILE or Libc.ENOBUFS or Libc.ENOMEM => RefuseCode.NoResources,
        _ => RefuseCode.Internal,
    };
}
