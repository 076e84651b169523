using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Where new sockets come from. A socket belongs to the network namespace in which it was made, whoever uses it later, so this decides
/// whose loopback and whose routes a connection takes.
/// </summary>
public interface ISocketSource
{
    /// <summary>Makes a socket, unbound, non-blocking and closed on exec. Does not wait longer than a system call or two would.</summary>
    /// <param name="family">2 for IPv4, 10 for IPv6, as in socket(2).</param>
    /// <param name="type">1 for TCP, 2 for UDP.</param>
    /// <param name="errno">Why there is none, or 0.</param>
    /// <returns>The socket, or null.</returns>
    FileDescriptor? Open(int family, int type, out int errno);
}

/// <summary>Sockets of this process's own network namespace.</summary>
public sealed class OwnSockets : ISocketSource
{
    /// <summary>The one there is.</summary>
    public static OwnSockets Instance { get; } = new();

    private OwnSockets()
    {
    }

    /// <inheritdoc/>
    public FileDescriptor? Open(int family, int type, out int errno)
    {
        FileDescriptor? socket = SocketOptions.Open(family, type);
        errno = socket is null ? Libc.Errno : 0;
        return socket;
    }
}
