using System.Net.WebSockets;

namespace Telepresence.Cli.Cluster;

/// <summary>A WebSocket of the API server with the connection that it is on, which is its own.</summary>
/// <param name="socket">The WebSocket.</param>
/// <param name="stream">Its connection; calls on both wait on the caller's thread from now on.</param>
/// <param name="connector">What made the connection.</param>
internal sealed class KubeWebSocket(WebSocket socket, WaitingStream stream, HttpMessageInvoker connector) : IDisposable
{
    // What a frame's header can take; behind it there is a byte of payload, so that a receive has something to give.
    private const int LongestHeader = 14;

    /// <summary>The WebSocket.</summary>
    internal WebSocket Socket => socket;

    /// <summary>Whether a receive would give something without a system call.</summary>
    internal bool HasMore => stream.Ahead > LongestHeader;

    /// <inheritdoc/>
    public void Dispose()
    {
        socket.Dispose();
        stream.Dispose();
        connector.Dispose();
    }
}
