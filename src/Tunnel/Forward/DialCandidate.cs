using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>One way in which a connection may come about.</summary>
/// <param name="Address">Where to.</param>
/// <param name="Source">In which network namespace; null for this process's own.</param>
public readonly record struct DialCandidate(NetAddress Address, ISocketSource? Source = null)
{
    /// <summary>Makes a socket for it.</summary>
    internal Io.FileDescriptor? Open(int type, out int errno) =>
        (Source ?? OwnSockets.Instance).Open(Address.IsIPv4 ? Io.Libc.AF_INET : Io.Libc.AF_INET6, type, out errno);
}
