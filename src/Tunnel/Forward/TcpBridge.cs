using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// One TCP connection of a local program, carried by one stream.
/// </summary>
/// <remarks>
/// <para>Outward: the connection's bytes are written to the stream, which keeps them until the peer has them. The window that the local
/// program sees is the stream's send space, so nothing waits here. Inward: the stream's bytes go to the connection, and the peer's
/// credit grows as the local kernel acknowledges, so nothing waits here either.</para>
/// <para>The local program sees the truth: its SYN is answered when the far side has connected, refused as the far side was refused;
/// half-close passes as half-close, reset as reset.</para>
/// </remarks>
internal sealed class TcpBridge : ITcpHandler, IMuxStreamHandler
{
    private readonly TcpConnection _connection;
    private readonly MuxStream _stream;

    private TcpBridge(TcpConnection connection, MuxSession session, ReadOnlySpan<byte> target, long now, out bool opened)
    {
        _connection = connection;
        MuxStream? stream = session.Open(StreamKind.Tcp, target, this, now);
        opened = stream is not null;
        _stream = stream!;
    }

    /// <summary>Begins to dial for <paramref name="connection"/>, or refuses it when the session takes no more streams.</summary>
    internal static void Open(TcpConnection connection, MuxSession session, long now)
    {
        Span<byte> target = stackalloc byte[TargetAddress.MaxLength];
        int length = new TargetAddress(connection.Flow.Destination, connection.Flow.DestinationPort).Encode(target);
        TcpBridge bridge = new(connection, session, target[..length], now, out bool opened);
        if (opened)
            connection.Handler = bridge;
        else
            connection.Refuse(RefusalReason.AdminProhibited, now);
    }

    void IMuxStreamHandler.OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
    {
        _connection.SetReceiveSpace(stream.SendSpace);
        _connection.Accept(now);
    }

    void IMuxStreamHandler.OnRefused(MuxStream stream, RefuseCode code, string reason, long now) =>
        _connection.Refuse(Refusals.ToLocal(code), now);

    void IMuxStreamHandler.OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
    {
        // The stream's window is never larger than the connection's send buffer, so all of it fits.
        if (_connection.Send(bytes, now) != bytes.Length)
        {
            stream.Reset(RefuseCode.NoResources, now);
            _connection.Abort(now);
        }
    }

    void IMuxStreamHandler.OnEnd(MuxStream stream, long now) => _connection.SendEnd(now);

    void IMuxStreamHandler.OnReset(MuxStream stream, RefuseCode code, long now) => _connection.Abort(now);

    void IMuxStreamHandler.OnSendSpace(MuxStream stream, long now) => _connection.SetReceiveSpace(stream.SendSpace);

    void ITcpHandler.OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
    {
        _stream.Write(bytes, now);
        connection.SetReceiveSpace(_stream.SendSpace);
    }

    void ITcpHandler.OnEnd(TcpConnection connection, long now) => _stream.WriteEnd(now);

    void ITcpHandler.OnSendSpace(TcpConnection connection, int acknowledged, long now) => _stream.Consume(acknowledged, now);

    void ITcpHandler.OnReset(TcpConnection connection, long now) => _stream.Reset(RefuseCode.ConnectionReset, now);

    void ITcpHandler.OnClosed(TcpConnection connection, long now)
    {
        // Both directions have ended in order, and the stream has been told of each end.
    }
}
