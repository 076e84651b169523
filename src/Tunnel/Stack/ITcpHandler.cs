namespace Telepresence.Tunnel.Stack;

/// <summary>
/// What one connection tells the bridge that carries it. A connection that was not ended by the bridge itself
/// (<see cref="TcpConnection.Abort"/>, <see cref="TcpConnection.Refuse"/>) ends with exactly one of <see cref="OnClosed"/> and
/// <see cref="OnReset"/>; after that the stack has forgotten it and every call on it does nothing. The bridge may call any method of
/// the connection from inside these.
/// </summary>
public interface ITcpHandler
{
    /// <summary>
    /// Bytes from the local program, in order. The handler takes all of them; there are never more than the space it has ever
    /// promised with <see cref="TcpConnection.SetReceiveSpace"/>. The span is valid during the call only.
    /// </summary>
    void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now);

    /// <summary>The local program has shut its sending side (FIN); the other direction stays open.</summary>
    void OnEnd(TcpConnection connection, long now);

    /// <summary>The local kernel has acknowledged this many more bytes, which makes that much room in the send queue.</summary>
    void OnSendSpace(TcpConnection connection, int acknowledged, long now);

    /// <summary>Ended abnormally: the local program reset it, or its kernel stopped answering.</summary>
    void OnReset(TcpConnection connection, long now);

    /// <summary>Both directions ended and everything was acknowledged.</summary>
    void OnClosed(TcpConnection connection, long now);
}
