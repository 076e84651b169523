using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>One UDP flow: the stream's datagrams are the payloads, unchanged.</summary>
internal sealed class DatagramRelay(DatagramDialer dialer, FileDescriptor socket, MuxStream stream, long now)
    : DatagramFlow(dialer, socket, stream, now)
{
    private protected override void OnReceived(ReadOnlySpan<byte> datagram, long now) => Stream.WriteDatagram(datagram, now);

    private protected override void SendOut(ReadOnlySpan<byte> datagram, long now) => Send(datagram, now);
}
