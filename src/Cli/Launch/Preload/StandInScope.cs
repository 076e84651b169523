using Telepresence.Cli.Engine;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>What the stand-ins of one table share: the engine, a buffer, and the time at which the first of them wants to be polled.</summary>
internal sealed class StandInScope(EngineScope engine) : IDisposable
{
    /// <summary>Room for the largest datagram.</summary>
    internal const int BufferLength = 65_536;

    /// <summary>The engine's loop.</summary>
    internal EventLoop Loop => engine.Loop;

    /// <summary>The loop's memory.</summary>
    internal ChunkPool Pool => engine.Pool;

    /// <summary>The session, or null while there is none.</summary>
    internal MuxSession? Session => engine.Session;

    /// <summary>What a datagram is received into.</summary>
    internal byte[] Buffer { get; } = GC.AllocateUninitializedArray<byte>(BufferLength, pinned: true);

    /// <summary>Whose a socket is.</summary>
    internal SocketOwner Owners { get; } = new();

    /// <summary>When to poll, microseconds; <see cref="long.MaxValue"/> for never.</summary>
    internal long NextPoll { get; private set; } = long.MaxValue;

    /// <summary>Names a time at which to poll.</summary>
    internal void PollAt(long time) => NextPoll = Math.Min(NextPoll, time);

    /// <summary>Forgets what was named, before all are polled and name times anew.</summary>
    internal void ClearPoll() => NextPoll = long.MaxValue;

    /// <inheritdoc/>
    public void Dispose() => Owners.Dispose();
}
