using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Echo requests of the local programs: one stream for each pinged address, over which the pod pings it and says what came back.
/// </summary>
/// <remarks>A ping that the pod cannot send (no ping sockets there) stays unanswered; the reason is kept for <c>status</c>.</remarks>
internal sealed class EchoBridge : IMuxStreamHandler
{
    // A person pings a few hosts; a scanner gets no more of the pod than this.
    private const int MaxTargets = 256;

    private readonly Dictionary<Pinger, MuxStream> _streams = [];
    private readonly byte[] _message = new byte[ushort.MaxValue];

    internal NetworkStack? Stack { get; set; }

    /// <summary>The streams of the old session are gone with it.</summary>
    internal void SessionChanged() => _streams.Clear();

    /// <summary>A local program pings.</summary>
    internal void Send(in EchoRequest request, MuxSession session, long now)
    {
        if (request.Payload.Length > _message.Length - EchoMessage.HeaderLength)
            return;
        Pinger pinger = new(request.Source, request.Destination);
        if (!_streams.TryGetValue(pinger, out MuxStream? stream))
        {
            if (_streams.Count >= MaxTargets)
                CloseAll(now);
            Span<byte> target = stackalloc byte[TargetAddress.MaxLength];
            int targetLength = new TargetAddress(request.Destination, 0).Encode(target);
            stream = session.Open(StreamKind.Echo, target[..targetLength], this, now);
            if (stream is null)
                return;
            stream.State = pinger;
            _streams.Add(pinger, stream);
        }

        int length = EchoMessage.Write(_message, request.Identifier, request.Sequence, request.Payload);
        stream.WriteDatagram(_message.AsSpan(0, length), now);
    }

    void IMuxStreamHandler.OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now)
    {
        if (stream.State is Pinger pinger && EchoMessage.TryParse(datagram, out EchoMessage reply))
            Stack?.ReplyEcho(new EchoRequest(pinger.Source, pinger.Destination, reply.Identifier, reply.Sequence, reply.Payload), now);
    }

    void IMuxStreamHandler.OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => Forget(stream);

    void IMuxStreamHandler.OnReset(MuxStream stream, RefuseCode code, long now) => Forget(stream);

    void IMuxStreamHandler.OnEnd(MuxStream stream, long now)
    {
        stream.Reset(RefuseCode.None, now);
        Forget(stream);
    }

    private void CloseAll(long now)
    {
        foreach (MuxStream stream in _streams.Values)
            stream.Reset(RefuseCode.None, now);
        _streams.Clear();
    }

    private void Forget(MuxStream stream)
    {
        // The end of a stream of an old session must not take the new one's out.
        if (stream.State is Pinger pinger && _streams.TryGetValue(pinger, out MuxStream? present) && present == stream)
            _streams.Remove(pinger);
    }

    private readonly record struct Pinger(NetAddress Source, NetAddress Destination);
}
