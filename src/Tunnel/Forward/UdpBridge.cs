using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Forward;

/// <summary>The UDP flows of the local programs: a stream for each pair of socket and remote address, closed when idle.</summary>
/// <remarks>Flows stand in order of last use, so the expired ones are at the front and each use is one re-linking.</remarks>
internal sealed class UdpBridge
{
    /// <summary>How long a flow may be silent, microseconds. RFC 4787 REQ-5 asks for more than two minutes.</summary>
    internal const long IdleTimeout = 150_000_000;

    /// <summary>Most flows at once; one more closes the one that was silent longest.</summary>
    internal const int MaxFlows = 8192;

    private readonly Dictionary<FlowKey, UdpFlow> _flows = [];
    private UdpFlow? _oldest;
    private UdpFlow? _newest;

    /// <summary>Where answers go; set once the device is up.</summary>
    internal NetworkStack? Stack { get; set; }

    /// <summary>Flows open now.</summary>
    internal int Count => _flows.Count;

    /// <summary>When the first flow expires, microseconds.</summary>
    internal long NextDeadline => _oldest is null ? long.MaxValue : _oldest.LastUse + IdleTimeout;

    /// <summary>A local program sent a datagram.</summary>
    internal void Send(in FlowKey key, ReadOnlySpan<byte> payload, MuxSession session, long now)
    {
        if (!_flows.TryGetValue(key, out UdpFlow? flow))
        {
            flow = Open(key, session, now);
            if (flow is null)
                return;
        }

        Use(flow, now);
        flow.Stream!.WriteDatagram(payload, now);
    }

    /// <summary>The far side sent one.</summary>
    internal void Answered(UdpFlow flow, ReadOnlySpan<byte> payload, long now)
    {
        Use(flow, now);
        Stack?.SendDatagram(flow.Key, payload, now);
    }

    /// <summary>The far side's kernel said that nobody is there; so do we.</summary>
    internal void Refused(UdpFlow flow, RefuseCode code, long now)
    {
        if (code != RefuseCode.SessionEnded)
            Stack?.SendUnreachable(flow.Key, Refusals.ToLocal(code), now);
        Forget(flow);
    }

    /// <summary>Closes a flow.</summary>
    internal void Close(UdpFlow flow, long now)
    {
        flow.Stream?.Reset(RefuseCode.None, now);
        Forget(flow);
    }

    /// <summary>Closes what has been silent too long.</summary>
    internal void Poll(long now)
    {
        while (_oldest is not null && _oldest.LastUse + IdleTimeout <= now)
            Close(_oldest, now);
    }

    private UdpFlow? Open(in FlowKey key, MuxSession session, long now)
    {
        if (_flows.Count >= MaxFlows)
            Close(_oldest!, now);
        Span<byte> target = stackalloc byte[TargetAddress.MaxLength];
        int length = new TargetAddress(key.Destination, key.DestinationPort).Encode(target);
        UdpFlow flow = new(this, key) { LastUse = now };
        flow.Stream = session.Open(StreamKind.Udp, target[..length], flow, now);
        if (flow.Stream is null)
            return null;
        _flows.Add(key, flow);
        LinkNewest(flow);
        return flow;
    }

    private void Use(UdpFlow flow, long now)
    {
        flow.LastUse = now;
        if (flow == _newest)
            return;
        Unlink(flow);
        LinkNewest(flow);
    }

    private void Forget(UdpFlow flow)
    {
        if (_flows.Remove(flow.Key))
            Unlink(flow);
    }

    private void LinkNewest(UdpFlow flow)
    {
        flow.Older = _newest;
        flow.Newer = null;
        if (_newest is null)
            _oldest = flow;
        else
            _newest.Newer = flow;
        _newest = flow;
    }

    private void Unlink(UdpFlow flow)
    {
        if (flow.Older is null)
            _oldest = flow.Newer;
        else
            flow.Older.Newer = flow.Newer;
        if (flow.Newer is null)
            _newest = flow.Older;
        else
            flow.Newer.Older = flow.Older;
    }
}
