using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Tun;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Moves packets between a TUN device and the userspace stack: reads what waits, lets the stack act, and once per turn sends what
/// the stack has to say.
/// </summary>
/// <remarks>Hop 1 of 5 on the way out of the laptop: <b>TunPump</b> → NetworkStack → TcpConnection → TcpBridge → MuxStream.</remarks>
public sealed class TunPump : IReadyHandler, ITurnHandler, IPacketOutput, IDisposable
{
    // A turn must end soon enough for the link to get its share; 64 super-packets are 4 MiB.
    private const int FramesPerTurn = 64;

    private readonly EventLoop _loop;
    private readonly TunDevice _tun;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(TunDevice.MaxFrameLength, pinned: true);
    private bool _refused;

    /// <summary>Begins to serve <paramref name="tun"/>, which it owns from now on. Called on the loop's thread.</summary>
    public TunPump(EventLoop loop, TunDevice tun, StackOptions options, ChunkPool pool, IFlowHandler handler)
    {
        _loop = loop;
        _tun = tun;
        Stack = new NetworkStack(options, pool, this, handler);
        loop.Add(tun.Descriptor.Number, Readiness.Read, this);
        loop.AddTurnHandler(this);
    }

    /// <summary>The stack behind the device.</summary>
    public NetworkStack Stack { get; }

    /// <inheritdoc/>
    public long NextDeadline => Stack.NextDeadline;

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < FramesPerTurn; i++)
        {
            int length = _tun.Read(_buffer);
            if (length == 0)
                return;
            Stack.Receive(_buffer.AsSpan(0, length), now);
        }
    }

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (_refused)
        {
            // A TUN has no writability of its own: the kernel takes the packet or drops it. What it refused is tried again each turn.
            _refused = false;
            Stack.OutputReady(now);
        }

        if (Stack.NextDeadline <= now)
            Stack.Poll(now);
        Stack.Flush(now);
    }

    /// <inheritdoc/>
    public bool Send(ReadOnlySpan<IoVector> vectors)
    {
        if (_tun.Write(vectors))
            return true;
        _refused = true;
        return false;
    }

    /// <summary>Stops serving the device and closes it. Called on the loop's thread, not from inside a turn handler.</summary>
    public void Dispose()
    {
        _loop.RemoveTurnHandler(this);
        _loop.Remove(_tun.Descriptor.Number);
        _tun.Dispose();
    }
}
