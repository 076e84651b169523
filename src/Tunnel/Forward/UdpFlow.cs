using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Forward;

/// <summary>One pair of local socket and remote address, carried by one stream; datagram boundaries are kept.</summary>
internal sealed class UdpFlow(UdpBridge bridge, FlowKey key) : IMuxStreamHandler
{
    internal FlowKey Key { get; } = key;

    internal MuxStream? Stream { get; set; }

    internal long LastUse { get; set; }

    // Neighbours in order of last use.
    internal UdpFlow? Older { get; set; }

    internal UdpFlow? Newer { get; set; }

    public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => bridge.Refused(this, code, now);

    public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now) => bridge.Answered(this, datagram, now);

    public void OnEnd(MuxStream stream, long now) => bridge.Close(this, now);

    public void OnReset(MuxStream stream, RefuseCode code, long now) => bridge.Refused(this, code, now);
}
