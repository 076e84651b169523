using Telepresence.Cli.Engine.Dns;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Engine;

/// <summary>What a service of the engine works with. Used on the loop's thread only.</summary>
internal sealed class EngineScope(EventLoop loop, ChunkPool pool)
{
    /// <summary>The loop.</summary>
    internal EventLoop Loop => loop;

    /// <summary>The loop's memory.</summary>
    internal ChunkPool Pool => pool;

    /// <summary>The session that new streams go into, or null while there is none.</summary>
    internal MuxSession? Session { get; set; }

    /// <summary>The DNS server, once the network is attached.</summary>
    internal DnsServer? Names { get; set; }
}

/// <summary>
/// Something that lives on the engine's loop and uses its session: exposed ports, a file server's link, the preload agent. Disposed of with
/// the engine, on the loop's thread.
/// </summary>
internal interface IEngineService : IDisposable
{
    /// <summary>There is another session now, or none. Streams of the one before have been reset.</summary>
    /// <param name="session">The session, or null.</param>
    /// <param name="now">Time in microseconds.</param>
    void OnSession(MuxSession? session, long now);
}

/// <summary>Takes the streams that the proxy opens: callers of exposed ports.</summary>
internal interface IInboundStreams
{
    /// <summary>Accepts or refuses <paramref name="stream"/>.</summary>
    void OnStreamOpened(MuxSession session, MuxStream stream, ReadOnlySpan<byte> target, long now);
}
