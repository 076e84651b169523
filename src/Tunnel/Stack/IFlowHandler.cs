namespace Telepresence.Tunnel.Stack;

/// <summary>What the stack tells its owner about new flows. Calls come from inside <see cref="NetworkStack.Receive"/>; spans are valid during the call only.</summary>
public interface IFlowHandler
{
    /// <summary>
    /// A SYN has arrived and nothing has been answered. The handler sets <see cref="TcpConnection.Handler"/>, dials, and later calls
    /// <see cref="TcpConnection.Accept"/> or <see cref="TcpConnection.Refuse"/>. Retransmitted SYNs do not come here.
    /// </summary>
    void OnTcpOpen(TcpConnection connection, long now);

    /// <summary>A UDP datagram. The stack keeps no state for UDP flows; answers go through <see cref="NetworkStack.SendDatagram"/>.</summary>
    void OnDatagram(in FlowKey flow, ReadOnlySpan<byte> payload, long now);

    /// <summary>An echo request (ping). Answered with <see cref="NetworkStack.ReplyEcho"/>, refused, or left unanswered.</summary>
    void OnEcho(in EchoRequest request, long now);
}
