using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>
/// One connection of a program on its way: the pod dials while the program's connect() waits for the verdict; then the program's own
/// socket arrives at the stand-in, is claimed, and takes the stream over. A connect() that did not want to wait sends its socket before.
/// </summary>
internal sealed class PreloadDial(TcpStandIn standIn, ChunkPool pool, PreloadCall asker) : IMuxStreamHandler
{
    private readonly ByteQueue _early = new(pool);
    private PreloadCall? _asker = asker;
    private MuxStream? _stream;
    private FileDescriptor? _socket;
    private RefuseCode? _failure;
    private bool _connected;
    private bool _ended;

    /// <summary>The local address of the program's socket, once the program has told it.</summary>
    internal (NetAddress Address, ushort Port)? Key { get; private set; }

    /// <summary>Until when the socket must have come, microseconds; <see cref="long.MaxValue"/> while the program is still there to send it.</summary>
    internal long Deadline { get; private set; } = long.MaxValue;

    /// <summary>Begins to dial.</summary>
    /// <returns>False when the session takes no more streams.</returns>
    internal bool Begin(MuxSession session, long now)
    {
        Span<byte> target = stackalloc byte[TargetAddress.MaxLength];
        _stream = session.Open(StreamKind.Tcp, target[..standIn.Real.Encode(target)], this, now);
        return _stream is not null;
    }

    /// <summary>Tells the program that its connection stands.</summary>
    internal void Confirm()
    {
        _asker?.Verdict(PreloadAnswer.Connected);
        _asker = null;
    }

    /// <summary>The program says which socket it sends.</summary>
    internal void Claim(NetAddress address, ushort port, long now)
    {
        if (Key is not null || _socket is not null)
            return;
        Key = (address, port);
        standIn.Claimed(this, now);
    }

    /// <summary>The program has ended the conversation. If it has not said which socket it sends, it sends none.</summary>
    internal void CallEnded(long now)
    {
        _asker = null;
        if (Key is null)
            standIn.Forget(this);
        if (Key is null && _failure is null)
            Abandon(now);
        if (Key is not null && _socket is null)
            standIn.Expect(Deadline = now + TcpStandIn.ClaimPatience);
    }

    /// <summary>No socket came.</summary>
    internal void Abandon(long now)
    {
        _early.Clear();
        _stream!.Reset(RefuseCode.None, now);
    }

    /// <summary>The program's socket is here. The verdict on it may be known or not.</summary>
    internal void Take(FileDescriptor socket, long now)
    {
        _socket = socket;
        if (_failure is not null)
            standIn.Drop(socket);
        else if (_connected)
            Join(now);
    }

    void IMuxStreamHandler.OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
    {
        _connected = true;
        standIn.LastConnected = now;
        Confirm();
        if (_socket is not null)
            Join(now);
    }

    void IMuxStreamHandler.OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
    {
        standIn.LastRefused = now;
        Fail(code);
    }

    void IMuxStreamHandler.OnReset(MuxStream stream, RefuseCode code, long now) =>
        Fail(code == RefuseCode.SessionEnded ? code : RefuseCode.ConnectionReset);

    void IMuxStreamHandler.OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now) => _early.Append(bytes);

    void IMuxStreamHandler.OnEnd(MuxStream stream, long now) => _ended = true;

    private void Fail(RefuseCode code)
    {
        _failure = code;
        _early.Clear();
        _asker?.Verdict(PreloadAnswer.Error(PreloadAnswer.ToErrno(code)));
        _asker = null;
        if (_socket is not null)
            standIn.Drop(_socket);
    }

    private void Join(long now) => standIn.Join(_socket!, _stream!, _early, _ended, now);
}
