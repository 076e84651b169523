using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Engine.Listeners;

/// <summary>The sockets of one network namespace that wait for callers.</summary>
/// <param name="table">Lists them; owned.</param>
/// <param name="fallback">Lists them where the kernel does not have the former; owned.</param>
internal sealed class ListenerSide(ISocketTable? table, ISocketTable fallback) : IDisposable
{
    /// <summary>Inodes of sockets that are left out.</summary>
    internal HashSet<uint> LeftOut { get; } = [];

    /// <summary>What the last look found.</summary>
    internal List<BoundSocket> Found { get; } = [];

    /// <summary>This process's own namespace.</summary>
    internal static ListenerSide Machine() => new(SockDiagTable.TryOpen(), new ProcNetTable("/proc/self/net"));

    /// <inheritdoc/>
    public void Dispose()
    {
        table?.Dispose();
        fallback.Dispose();
    }

    /// <summary>Looks.</summary>
    /// <returns>False when it could not be read this time; what was found means nothing then.</returns>
    internal bool Read(bool udp)
    {
        Found.Clear();
        bool complete = table?.Read(udp, Found) ?? false;
        if (!complete)
        {
            Found.Clear();
            complete = fallback.Read(udp, Found);
        }

        if (LeftOut.Count > 0)
            Found.RemoveAll(socket => LeftOut.Contains(socket.Inode));
        return complete;
    }
}

/// <summary>Looks a few times a second at what waits for callers here, and tells those who act on it.</summary>
internal sealed class ListenerWatch : IEngineService, ITurnHandler
{
    // A server that has just started is found before somebody can type; a machine on which nothing changes is asked less often.
    private const long Interval = 100_000, IdleInterval = 250_000, IdleAfter = 10_000_000, UdpInterval = 300_000;

    private readonly EngineScope _scope;
    private readonly HashSet<ushort> _served = [];
    private bool _hasLooked;
    private long _nextLook;
    private long _nextUdpLook;
    private long _lastChange;

    /// <summary>Begins to look. On the loop's thread.</summary>
    /// <param name="scope">The engine's.</param>
    /// <param name="sides">Where; owned.</param>
    internal ListenerWatch(EngineScope scope, params IReadOnlyList<ListenerSide> sides)
    {
        _scope = scope;
        Sides = sides;
        _lastChange = scope.Loop.Now;
        scope.Loop.AddTurnHandler(this);
    }

    /// <summary>Says that every side has been looked at, for TCP or (true) UDP, and when.</summary>
    internal event Action<bool, long>? Looked;

    /// <inheritdoc/>
    public long NextDeadline => Looked is null ? long.MaxValue : _nextLook;

    /// <summary>Where it looks.</summary>
    internal IReadOnlyList<ListenerSide> Sides { get; }

    /// <summary>Whether a TCP server could be reached at this port of a loopback when it was last looked; true when nobody knows.</summary>
    internal bool IsServed(ushort port)
    {
        if (!_hasLooked)
            Look(udp: false, _scope.Loop.Now);
        return !_hasLooked || _served.Contains(port);
    }

    /// <summary>Says that something came or went, so that the next looks come soon.</summary>
    internal void NoteChange(long now) => _lastChange = now;

    /// <inheritdoc/>
    public void OnSession(MuxSession? session, long now)
    {
        // Nothing of it goes through the session.
    }

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (Looked is null || now < _nextLook)
            return;
        Look(udp: false, now);
        if (now >= _nextUdpLook)
        {
            _nextUdpLook = now + UdpInterval;
            Look(udp: true, now);
        }

        _nextLook = now + (now - _lastChange > IdleAfter ? IdleInterval : Interval);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _scope.Loop.RemoveTurnHandler(this);
        foreach (ListenerSide side in Sides)
            side.Dispose();
    }

    private void Look(bool udp, long now)
    {
        foreach (ListenerSide side in Sides)
        {
            // A list that is not complete would say that somebody has gone who is still there.
            if (!side.Read(udp))
                return;
        }

        if (!udp)
            NoteServed();
        Looked?.Invoke(udp, now);
    }

    private void NoteServed()
    {
        _hasLooked = true;
        _served.Clear();
        foreach (ListenerSide side in Sides)
        {
            foreach (BoundSocket socket in side.Found)
            {
                if (socket.Address.IsUnspecified || socket.Address == BoundSocket.LoopbackOf(socket.Address))
                    _served.Add(socket.Port);
            }
        }
    }
}
