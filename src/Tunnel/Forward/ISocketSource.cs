using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>Makes sockets in a network namespace: one belongs to the namespace in which it was made, whoever uses it.</summary>
public interface ISocketSource
{
    /// <summary>Makes a socket, non-blocking and closed on exec. It never waits.</summary>
    /// <param name="family">AF_INET or AF_INET6.</param>
    /// <param name="type">SOCK_STREAM or SOCK_DGRAM.</param>
    /// <returns>Null when there is none to be had now; <see cref="Libc.Errno"/> says why.</returns>
    FileDescriptor? Open(int family, int type);
}

/// <summary>One way in which a connection may come about.</summary>
/// <param name="Address">Where to.</param>
/// <param name="Source">In which namespace; null for this process's own.</param>
public readonly record struct DialCandidate(NetAddress Address, ISocketSource? Source = null);
