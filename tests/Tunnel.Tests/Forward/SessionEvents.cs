using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>A session's owner: obeys the session and hands opened streams to a function.</summary>
internal sealed class SessionEvents(Action<MuxStream, byte[], long>? serve) : IMuxSessionHandler
{
    /// <summary>Gets the streams that the peer opens, with their targets.</summary>
    internal Action<MuxStream, byte[], long>? Serve { get; set; } = serve;

    internal LinkPump? Pump { get; set; }

    internal int Suspensions { get; private set; }

    internal string? Ended { get; private set; }

    public void OnEstablished(long now)
    {
    }

    public void OnSuspended(string reason, long now) => Suspensions++;

    public void OnResumed(long now)
    {
    }

    public void OnEnded(string reason, long now) => Ended = reason;

    public void OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        if (Serve is null)
            stream.Refuse(RefuseCode.Unsupported, "nothing is served here", now);
        else
            Serve(stream, target.ToArray(), now);
    }

    public void OnLinkDead(string reason, long now) => Pump!.Detach();

    public void OnOutput()
    {
    }
}
