using Telepresence.Cli.Engine.Dns;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>Stands for port 53 of one of the machine's name servers, UDP and TCP: the engine's own DNS server answers. Lasts as long as that.</summary>
/// <remarks>Whoever on this machine finds it may ask it, as with the resolver of a machine that is connected.</remarks>
internal sealed class NamesStandIn(TargetAddress real, NetAddress address, StandInScope scope) : StandIn(real, address, scope)
{
    private const int Attempts = 20, Backlog = 64;

    /// <inheritdoc/>
    internal override bool IsIdle => false;

    /// <summary>Binds one port for both, and has it served.</summary>
    /// <returns>Null when there is no port that is free for both.</returns>
    internal static NamesStandIn? Open(DnsServer server, TargetAddress real, NetAddress address, StandInScope scope)
    {
        for (int i = 0; i < Attempts; i++)
        {
            FileDescriptor? udp = Bind(address, Libc.SOCK_DGRAM, 0);
            if (udp is null)
                return null;
            ushort port = SocketOptions.LocalPort(udp);
            FileDescriptor? tcp = Bind(address, Libc.SOCK_STREAM, port);
            if (tcp is not null && Libc.listen(tcp.Number, Backlog) == 0)
            {
                server.AddUdp(udp);
                server.AddTcp(tcp);
                return new NamesStandIn(real, address, scope) { Port = port };
            }

            udp.Dispose();
            tcp?.Dispose();
        }

        return null;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        // The server owns the sockets.
    }
}
