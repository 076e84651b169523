using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>A listening socket that stands for one remote TCP port.</summary>
/// <remarks>
/// Every user of the machine can reach a loopback address. A socket that arrives is therefore served only when a program has said over
/// the agent's own socket, which the file system protects, that the socket is its own; one that nobody claims is reset. The claim may
/// come behind the socket: until then nothing is read from it.
/// </remarks>
internal sealed class TcpStandIn : StandIn, IReadyHandler
{
    /// <summary>How long a claim and its socket wait for each other, microseconds. They come within the same system call, unless the program
    /// is killed just then.</summary>
    internal const long ClaimPatience = 5_000_000;

    // A target that took a connection so recently is believed to take the next one: programs that open many at once on one thread would
    // otherwise open them one after the other.
    private const long Trust = 1_000_000;

    private const int Backlog = 1024, AcceptsPerReady = 32, MaxUnclaimed = 1024;

    private readonly FileDescriptor _socket;
    private readonly SpareDescriptor _spare = new();
    private readonly HashSet<PreloadDial> _dials = [];
    private readonly Dictionary<(NetAddress Address, ushort Port), PreloadDial> _claims = [];
    private readonly Dictionary<(NetAddress Address, ushort Port), (FileDescriptor Socket, long Deadline)> _arrived = [];
    private int _open;
    private bool _disposed;

    private TcpStandIn(TargetAddress real, NetAddress address, FileDescriptor socket, StandInScope scope)
        : base(real, address, scope) => _socket = socket;

    /// <summary>When the target last took a connection, microseconds.</summary>
    internal long LastConnected { get; set; } = long.MinValue / 2;

    /// <summary>When it last refused one.</summary>
    internal long LastRefused { get; set; } = long.MinValue / 2;

    /// <inheritdoc/>
    internal override bool IsIdle => _open == 0 && _dials.Count == 0 && _arrived.Count == 0;

    /// <summary>Begins to listen.</summary>
    /// <returns>Null when the kernel refused.</returns>
    internal static TcpStandIn? Open(TargetAddress real, NetAddress address, StandInScope scope)
    {
        if (Bind(address, Libc.SOCK_STREAM, 0) is not { } socket)
            return null;
        if (Libc.listen(socket.Number, Backlog) != 0)
        {
            socket.Dispose();
            return null;
        }

        TcpStandIn standIn = new(real, address, socket, scope) { Port = SocketOptions.LocalPort(socket) };
        scope.Loop.Add(socket.Number, Readiness.Read, standIn);
        return standIn;
    }

    /// <summary>Dials for a program, and tells it the verdict.</summary>
    internal void Dial(MuxSession session, PreloadCall asker, bool isNonBlocking, long now)
    {
        PreloadDial dial = new(this, Scope.Pool, asker);
        if (!dial.Begin(session, now))
        {
            asker.Verdict(PreloadAnswer.Error(Libc.EHOSTUNREACH));
            return;
        }

        _dials.Add(dial);
        asker.Dial = dial;
        if (isNonBlocking && LastConnected + Trust > now && LastRefused < LastConnected)
            dial.Confirm();
    }

    /// <summary>A program has said which socket it sends for a dial.</summary>
    internal void Claimed(PreloadDial dial, long now)
    {
        if (_arrived.Remove(dial.Key!.Value, out (FileDescriptor Socket, long) arrived))
            Serve(dial, arrived.Socket, now);
        else
            _claims[dial.Key.Value] = dial;
    }

    /// <summary>No socket will come for this one.</summary>
    internal void Forget(PreloadDial dial)
    {
        _dials.Remove(dial);
        if (dial.Key is { } key && _claims.TryGetValue(key, out PreloadDial? present) && present == dial)
            _claims.Remove(key);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < AcceptsPerReady && !_disposed; i++)
        {
            if (_spare.Accept(_socket, out SocketAddress peer) is not { } socket)
                return;
            (NetAddress, ushort) key = (peer.Address, peer.Port);
            LastUse = now;
            if (_claims.TryGetValue(key, out PreloadDial? dial))
                Serve(dial, socket, now);
            else if (_arrived.Count < MaxUnclaimed && _arrived.TryAdd(key, (socket, now + ClaimPatience)))
                Scope.PollAt(now + ClaimPatience);
            else
                Reset(socket);
        }
    }

    /// <summary>A dial's program has gone; its socket must come until then.</summary>
    internal void Expect(long deadline) => Scope.PollAt(deadline);

    /// <inheritdoc/>
    internal override void Poll(long now)
    {
        foreach (PreloadDial dial in _dials.Where(dial => dial.Deadline <= now).ToArray())
        {
            Forget(dial);
            dial.Abandon(now);
        }

        foreach (((NetAddress, ushort) key, (FileDescriptor socket, long deadline)) in _arrived.ToArray())
        {
            if (deadline > now)
                continue;
            _arrived.Remove(key);
            Reset(socket);
        }

        foreach (PreloadDial dial in _dials)
            Scope.PollAt(dial.Deadline);
        foreach ((_, long deadline) in _arrived.Values)
            Scope.PollAt(deadline);
    }

    /// <summary>Carries bytes between the program and the far side.</summary>
    internal void Join(FileDescriptor socket, MuxStream stream, ByteQueue early, bool ended, long now)
    {
        SocketOptions.PrepareConnection(socket.Number);
        new SocketRelay(Scope.Loop, socket, stream, early, ended, Closed).Start(now);
    }

    /// <summary>The far side did not want a connection that the program has already.</summary>
    internal void Drop(FileDescriptor socket)
    {
        Reset(socket);
        Closed();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Scope.Loop.Remove(_socket.Number);
        _socket.Dispose();
        _spare.Close();
        foreach ((FileDescriptor socket, _) in _arrived.Values)
            Reset(socket);
        _arrived.Clear();
    }

    private static void Reset(FileDescriptor socket)
    {
        SocketOptions.ResetOnClose(socket.Number);
        socket.Dispose();
    }

    private void Serve(PreloadDial dial, FileDescriptor socket, long now)
    {
        Forget(dial);
        _open++;
        dial.Take(socket, now);
    }

    private void Closed()
    {
        _open--;
        LastUse = Scope.Loop.Now;
    }
}
