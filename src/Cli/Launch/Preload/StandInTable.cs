using System.Security.Cryptography;

using Telepresence.Cli.Engine;
using Telepresence.Cli.Engine.Dns;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>The stand-ins of one session, by what they stand for and by their own address.</summary>
/// <remarks>
/// An address is not given to another one before 65,000 others had their turn, so whoever remembers one for some seconds is not misled.
/// TCP stand-ins are given up when idle; a program may come back to a UDP socket after any time, so those stay until there are too many.
/// </remarks>
internal sealed class StandInTable : IDisposable
{
    // 127.64.0.0 to 127.127.0.0, so that two sessions are easily told apart and the usual 127.0.x.x and 127.1.x.x keep clear.
    private const uint FirstPrefix = 0x7f40_0000, Prefixes = 64, Hosts = 0xffff;

    private const long TcpIdleTimeout = 60_000_000;
    private const int MaxStandIns = 4096;

    private readonly StandInScope _scope;
    private readonly Dictionary<(StandInKind Kind, TargetAddress Real), StandIn> _byReal = [];
    private readonly Dictionary<NetAddress, StandIn> _byAddress = [];
    private readonly uint _prefix = FirstPrefix + ((uint)RandomNumberGenerator.GetInt32((int)Prefixes) << 16);
    private uint _lastHost;

    internal StandInTable(EngineScope engine) => _scope = new StandInScope(engine);

    private enum StandInKind
    {
        Tcp,
        Udp,
        Names,
    }

    /// <summary>When <see cref="Poll"/> must be called, microseconds.</summary>
    internal long NextDeadline => _scope.NextPoll;

    /// <summary>How many there are.</summary>
    internal int Count => _byReal.Count;

    /// <summary>The stand-in for a TCP port, made if need be; null when the kernel has no socket for it.</summary>
    internal TcpStandIn? Tcp(TargetAddress real, long now) =>
        (TcpStandIn?)Find(StandInKind.Tcp, real, now, address => TcpStandIn.Open(real, address, _scope));

    /// <summary>The stand-in for a UDP port, made if need be; null when the kernel has no socket for it.</summary>
    internal UdpStandIn? Udp(TargetAddress real, long now) =>
        (UdpStandIn?)Find(StandInKind.Udp, real, now, address => UdpStandIn.Open(real, address, _scope));

    /// <summary>The stand-in for a name server of the machine, made if need be; null when the kernel has no socket for it.</summary>
    internal NamesStandIn? Names(DnsServer server, TargetAddress real, long now) =>
        (NamesStandIn?)Find(StandInKind.Names, real, now, address => NamesStandIn.Open(server, real, address, _scope));

    /// <summary>What has this address, or null.</summary>
    internal StandIn? At(NetAddress address) => _byAddress.GetValueOrDefault(address);

    /// <summary>Ends what has waited too long, and gives up TCP stand-ins that nobody uses.</summary>
    internal void Poll(long now)
    {
        _scope.ClearPoll();
        foreach (StandIn standIn in _byReal.Values.ToArray())
        {
            standIn.Poll(now);
            if (standIn is TcpStandIn { IsIdle: true } && standIn.LastUse + TcpIdleTimeout <= now)
                Remove(standIn);
            else if (standIn is TcpStandIn)
                _scope.PollAt(Math.Max(standIn.LastUse, now) + TcpIdleTimeout);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (StandIn standIn in _byReal.Values)
            standIn.Dispose();
        _byReal.Clear();
        _byAddress.Clear();
        _scope.Dispose();
    }

    private StandIn? Find(StandInKind kind, TargetAddress real, long now, Func<NetAddress, StandIn?> make)
    {
        if (!_byReal.TryGetValue((kind, real), out StandIn? standIn))
        {
            if (_byReal.Count >= MaxStandIns)
                RemoveOldest();
            NetAddress address = NextAddress();
            standIn = make(address);
            if (standIn is null)
                return null;
            _byReal.Add((kind, real), standIn);
            _byAddress.Add(address, standIn);
            _scope.PollAt(now + TcpIdleTimeout);
        }

        standIn.LastUse = now;
        return standIn;
    }

    private NetAddress NextAddress()
    {
        NetAddress address;
        do
        {
            _lastHost = _lastHost % (Hosts - 1) + 1;
            address = NetAddress.FromIPv4(_prefix + _lastHost);
        }
        while (_byAddress.ContainsKey(address));
        return address;
    }

    private void RemoveOldest()
    {
        StandIn? oldest = _byReal.Values.Where(static standIn => standIn.IsIdle).MinBy(static standIn => standIn.LastUse);
        if (oldest is not null)
            Remove(oldest);
    }

    private void Remove(StandIn standIn)
    {
        StandInKind kind = standIn is TcpStandIn ? StandInKind.Tcp : StandInKind.Udp;
        _byReal.Remove((kind, standIn.Real));
        _byAddress.Remove(standIn.Address);
        standIn.Dispose();
    }
}
