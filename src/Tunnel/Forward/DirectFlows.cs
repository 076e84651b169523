using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Flows that must not go through the session although they come out of the TUN: the API server that the session itself hangs on, a proxy
/// on the way to it, networks that the user has excepted. They are dialed from this process, in its own network namespace.
/// </summary>
/// <remarks>Where the TUN is the machine's own, routes keep such flows out of it. In a namespace of its own there is no other way out.</remarks>
public sealed class DirectFlows : IDisposable
{
    private const int ReadLength = 64 * 1024;

    private readonly HashSet<DirectBridge> _bridges = [];
    private readonly DirectDatagrams _datagrams;

    /// <summary>Makes the exception; on the loop's thread.</summary>
    /// <param name="loop">Whose thread dials.</param>
    /// <param name="pool">The loop's memory.</param>
    /// <param name="networks">What is dialed directly.</param>
    /// <param name="sockets">Where the sockets come from; this process's namespace unless given.</param>
    public DirectFlows(EventLoop loop, ChunkPool pool, NetworkSet networks, ISocketSource? sockets = null)
    {
        Loop = loop;
        Pool = pool;
        Networks = networks;
        Sockets = sockets ?? OwnSockets.Instance;
        _datagrams = new DirectDatagrams(this);
    }

    /// <summary>What is dialed directly; may be replaced, flows that are open stay.</summary>
    public NetworkSet Networks { get; set; }

    /// <summary>TCP connections, being made or open.</summary>
    public int ConnectionCount => _bridges.Count;

    /// <summary>UDP flows.</summary>
    public int DatagramFlowCount => _datagrams.Count;

    internal EventLoop Loop { get; }

    internal ChunkPool Pool { get; }

    internal ISocketSource Sockets { get; }

    /// <summary>Where answers to datagrams go.</summary>
    internal NetworkStack? Stack { get; set; }

    /// <summary>When the first UDP flow expires, microseconds.</summary>
    internal long NextDeadline => _datagrams.NextDeadline;

    /// <summary>What a socket is read into; all flows share it.</summary>
    internal byte[] Buffer { get; } = GC.AllocateUninitializedArray<byte>(ReadLength, pinned: true);

    /// <summary>Whether a flow to <paramref name="destination"/> is one of these.</summary>
    internal bool Covers(NetAddress destination) => Networks.Contains(destination);

    /// <summary>Dials for <paramref name="connection"/>.</summary>
    internal void Open(TcpConnection connection, long now) => DirectBridge.Open(this, connection, now);

    /// <summary>Sends a datagram.</summary>
    internal void Send(in FlowKey flow, ReadOnlySpan<byte> payload, long now) => _datagrams.Send(flow, payload, now);

    /// <summary>Closes UDP flows that have been silent too long.</summary>
    internal void Poll(long now) => _datagrams.Poll(now);

    internal void Add(DirectBridge bridge) => _bridges.Add(bridge);

    internal void Remove(DirectBridge bridge) => _bridges.Remove(bridge);

    /// <summary>Closes every flow. On the loop's thread.</summary>
    public void Dispose()
    {
        foreach (DirectBridge bridge in _bridges.ToArray())
            bridge.Close();
        _datagrams.Dispose();
    }
}
