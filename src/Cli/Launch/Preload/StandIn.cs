using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>A loopback address and port that stands for a remote one: what the program connects its socket to.</summary>
internal abstract class StandIn(TargetAddress real, NetAddress address, StandInScope scope) : IDisposable
{
    /// <summary>What it stands for.</summary>
    internal TargetAddress Real => real;

    /// <summary>The loopback address, no other stand-in's.</summary>
    internal NetAddress Address => address;

    /// <summary>The port that the kernel chose.</summary>
    internal ushort Port { get; private protected init; }

    /// <summary>When it was last asked for or used, microseconds.</summary>
    internal long LastUse { get; set; }

    /// <summary>Whether it may be given up when nobody has used it for a while.</summary>
    internal abstract bool IsIdle { get; }

    /// <summary>Shared with the table's others.</summary>
    private protected StandInScope Scope => scope;

    /// <summary>Ends what has waited too long, and names the next time.</summary>
    internal virtual void Poll(long now)
    {
    }

    /// <summary>Makes a socket at the stand-in's address.</summary>
    /// <param name="address">The loopback address.</param>
    /// <param name="type">SOCK_STREAM or SOCK_DGRAM.</param>
    /// <param name="port">The port, 0 for any.</param>
    /// <returns>Null when the kernel refused.</returns>
    private protected static FileDescriptor? Bind(NetAddress address, int type, ushort port)
    {
        FileDescriptor? socket = SocketOptions.Open(Libc.AF_INET, type);
        if (socket is null || SocketOptions.Bind(socket, address, port, Libc.AF_INET) == 0)
            return socket;
        socket.Dispose();
        return null;
    }

    /// <summary>Stops serving.</summary>
    public abstract void Dispose();
}
