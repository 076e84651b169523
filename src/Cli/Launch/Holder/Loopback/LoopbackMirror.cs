using System.Globalization;

using Telepresence.Cli.Engine;
using Telepresence.Cli.Engine.Listeners;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Launch.Holder.Loopback;

/// <summary>A socket that stands for another one.</summary>
internal interface IMirror : IDisposable
{
    /// <summary>The socket itself.</summary>
    FileDescriptor Socket { get; }

    /// <summary>Closes what has been silent too long.</summary>
    void Poll(long now);
}

/// <summary>
/// Makes <c>localhost</c> one thing: what listens on the machine's loopback is reached from inside the namespace at the same address and
/// port, and what listens inside is reached on the machine.
/// </summary>
/// <remarks>
/// <para>Both sides' listening sockets are looked at a few times a second (<see cref="ListenerWatch"/>). For each that the other side does not have, one of ours is
/// opened there, and closed when the original goes. So a port that is taken on one side is taken on the other, as programs expect of one
/// machine. Our own sockets are known by their inodes and never mirrored back.</para>
/// <para>It does not matter to it whether there is a session with the cluster.</para>
/// </remarks>
internal sealed class LoopbackMirror : IEngineService
{
    private const long RetryAfter = 2_000_000;
    private const int MaxDatagram = 65_536;

    private readonly ListenerWatch _watch;
    private readonly Side _machine;
    private readonly Side _inside;
    private readonly Action<string> _log;
    private readonly Dictionary<MirrorKey, IMirror> _mirrors = [];
    private readonly Dictionary<MirrorKey, long> _refused = [];
    private readonly HashSet<MirrorKey> _told = [];
    private readonly HashSet<MirrorKey> _wanted = [];
    private readonly List<MirrorKey> _scratch = [];

    /// <summary>Begins. On the loop's thread.</summary>
    /// <param name="scope">The engine's.</param>
    /// <param name="watch">Looks at both sides.</param>
    /// <param name="machine">The machine's sockets.</param>
    /// <param name="inside">The namespace's sockets.</param>
    /// <param name="log">Is told, once for each, what could not be mirrored.</param>
    internal LoopbackMirror(EngineScope scope, ListenerWatch watch, Side machine, Side inside, Action<string> log)
    {
        Scope = scope;
        _watch = watch;
        _machine = machine;
        _inside = inside;
        _log = log;
        watch.Looked += OnLooked;
    }

    /// <summary>One side.</summary>
    /// <param name="Listeners">Its sockets that wait for callers; ours are left out.</param>
    /// <param name="Sockets">Makes new ones.</param>
    /// <param name="Ephemeral">Ports of clients.</param>
    internal sealed record Side(ListenerSide Listeners, ISocketSource Sockets, EphemeralRange Ephemeral);

    internal EngineScope Scope { get; }

    /// <summary>What a datagram is received into; all mirrors share it.</summary>
    internal byte[] Buffer { get; } = new byte[MaxDatagram];

    /// <summary>Connections through a mirror.</summary>
    internal HashSet<TcpMirror.Call> Calls { get; } = [];

    /// <summary>Mirrors that there are now.</summary>
    internal IReadOnlyCollection<MirrorKey> Mirrors => _mirrors.Keys;

    /// <summary>Begins to look at the listeners of this process's namespace and the holder's. On the loop's thread.</summary>
    internal static ListenerWatch Watch(EngineScope scope, HolderClient holder, NamespaceNetwork network)
    {
        string inside = string.Create(CultureInfo.InvariantCulture, $"/proc/{holder.Id}/net");
        return new ListenerWatch(scope, ListenerSide.Machine(), new ListenerSide(network.Diag is { } diag ? new SockDiagTable(diag) : null, new ProcNetTable(inside)));
    }

    /// <summary>Makes one between the two sides of a <see cref="Watch"/>. On the loop's thread.</summary>
    internal static LoopbackMirror Create(EngineScope scope, ListenerWatch watch, NamespaceNetwork network, Action<string> log) => new(
        scope,
        watch,
        new Side(watch.Sides[0], OwnSockets.Instance, EphemeralRange.Read()),
        new Side(watch.Sides[1], network.Sockets, EphemeralRange.Default),
        log);

    /// <inheritdoc/>
    public void OnSession(MuxSession? session, long now)
    {
        // Nothing of it goes through the session.
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _watch.Looked -= OnLooked;
        foreach (IMirror mirror in _mirrors.Values)
            mirror.Dispose();
        foreach (TcpMirror.Call call in Calls.ToArray())
            call.Abort();
    }

    private void OnLooked(bool udp, long now)
    {
        _wanted.Clear();
        MirrorPlan.Add(inside: true, udp, _machine.Listeners.Found, _inside.Listeners.Found, _machine.Ephemeral, _wanted);
        MirrorPlan.Add(inside: false, udp, _inside.Listeners.Found, _machine.Listeners.Found, _inside.Ephemeral, _wanted);
        foreach (MirrorKey key in _mirrors.Keys)
        {
            if (key.IsUdp == udp && !_wanted.Contains(key))
                _scratch.Add(key);
        }

        foreach (MirrorKey key in _scratch)
        {
            Close(key);
            _watch.NoteChange(now);
        }

        _scratch.Clear();
        foreach (MirrorKey key in _wanted)
        {
            if (!_mirrors.ContainsKey(key) && !(_refused.TryGetValue(key, out long retry) && now < retry))
                Open(key, now);
        }

        if (!udp)
            return;
        foreach (IMirror mirror in _mirrors.Values)
            mirror.Poll(now);
    }

    private void Open(MirrorKey key, long now)
    {
        (Side here, Side there) = key.Inside ? (_inside, _machine) : (_machine, _inside);
        IMirror? mirror = key.IsUdp
            ? UdpMirror.TryStart(this, key, here.Sockets, there.Sockets, out int errno)
            : TcpMirror.TryStart(this, key, here.Sockets, there.Sockets, out errno);
        if (mirror is null)
        {
            _refused[key] = now + RetryAfter;
            if (_told.Add(key))
                _log($"{key} {(key.Inside ? "of this machine is not reachable inside" : "inside is not reachable from this machine")}: {Libc.Describe(errno)}");
            return;
        }

        _refused.Remove(key);
        _told.Remove(key);
        _mirrors.Add(key, mirror);
        here.Listeners.LeftOut.Add(InodeOf(mirror.Socket));
        _watch.NoteChange(now);
    }

    private void Close(MirrorKey key)
    {
        if (!_mirrors.Remove(key, out IMirror? mirror))
            return;
        (key.Inside ? _inside : _machine).Listeners.LeftOut.Remove(InodeOf(mirror.Socket));
        mirror.Dispose();
    }

    // "socket:[123456]"
    private static uint InodeOf(FileDescriptor socket)
    {
        string? link = new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{socket.Number}")).LinkTarget;
        return uint.TryParse(link.AsSpan()[(link?.IndexOf('[') + 1 ?? 0)..].TrimEnd(']'), CultureInfo.InvariantCulture, out uint inode) ? inode : 0;
    }
}
