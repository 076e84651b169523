using Telepresence.Dns;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Engine.Dns;

/// <summary>The cluster's name server, asked through one stream of the session; each datagram is a DNS message.</summary>
internal sealed class ClusterNameServer(Resolver resolver) : IMuxStreamHandler
{
    private MuxSession? _session;
    private MuxStream? _stream;

    /// <summary>The session that carries the questions, or null.</summary>
    internal MuxSession? Session
    {
        set
        {
            _session = value;
            _stream = null;
        }
    }

    /// <summary>Asks. Without a session the question is lost; the resolver knows that the cluster cannot be reached.</summary>
    internal void Send(ReadOnlySpan<byte> query, long now)
    {
        if (_stream is null or { IsClosed: true })
            _stream = _session?.Open(StreamKind.Dns, default, this, now);
        _stream?.WriteDatagram(query, now);
    }

    void IMuxStreamHandler.OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now) => resolver.ReceiveFromCluster(datagram, now);

    void IMuxStreamHandler.OnEnd(MuxStream stream, long now) => stream.Reset(RefuseCode.None, now);

    void IMuxStreamHandler.OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
    {
        // The next question tries again; those under way run into the resolver's time limit.
    }

    void IMuxStreamHandler.OnReset(MuxStream stream, RefuseCode code, long now)
    {
        // As for a refusal.
    }
}
