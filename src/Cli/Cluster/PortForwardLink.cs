using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// A port-forward to the proxy pod as a stream socket: one end of a socket pair, whose other end is pumped into a WebSocket here.
/// </summary>
/// <remarks>
/// <para>Subprotocol <c>v4.channel.k8s.io</c>: each binary message begins with a channel byte, 0 for data and 1 for errors; the first
/// message on each channel is the port, two bytes little-endian. The kubelet dials the port only behind the upgrade, so a refused
/// connection arrives on channel 1; it becomes <see cref="Ended"/>'s reason.</para>
/// <para>The link's own end-of-stream means nothing: a kubelet delivers it up to a second late. Sessions carry their own.</para>
/// </remarks>
internal sealed class PortForwardLink
{
    private const string Subprotocol = "v4.channel.k8s.io";
    private const byte DataChannel = 0, ErrorChannel = 1;
    private const int PortPrefixLength = 2;
    private const int BufferLength = 128 * 1024;

    private readonly WebSocket _webSocket;
    private readonly Socket _inner;
    private readonly StringBuilder _error = new();
    private readonly int[] _prefixLeft = [PortPrefixLength, PortPrefixLength];

    private PortForwardLink(WebSocket webSocket, Socket inner, FileDescriptor descriptor)
    {
        _webSocket = webSocket;
        _inner = inner;
        Descriptor = descriptor;
        Ended = RunAsync();
    }

    /// <summary>The session's end; whoever takes it closes it, and that ends the link.</summary>
    internal FileDescriptor Descriptor { get; }

    /// <summary>Ends with the link, and says why it ended.</summary>
    internal Task<string> Ended { get; }

    /// <summary>Opens a port-forward.</summary>
    /// <exception cref="KubeException">The API server refused or did not answer.</exception>
    internal static async Task<PortForwardLink> OpenAsync(KubeClient client, string @namespace, string pod, int port, CancellationToken cancellation)
    {
        WebSocket webSocket = await client.OpenWebSocketAsync(KubeRequest.PortForward(@namespace, pod, port), Subprotocol, cancellation);
        try
        {
            (Socket inner, FileDescriptor descriptor) = SocketPair.Create();
            return new PortForwardLink(webSocket, inner, descriptor);
        }
        catch
        {
            webSocket.Dispose();
            throw;
        }
    }

    private async Task<string> RunAsync()
    {
        using CancellationTokenSource stop = new();
        Task<string> down = DownAsync(stop.Token);
        Task<string> up = UpAsync(stop.Token);
        string reason = await await Task.WhenAny(down, up);

        // Whatever ended first is the reason; the other direction is told to end.
        await stop.CancelAsync();
        _webSocket.Abort();
        _inner.Dispose();
        await Task.WhenAll(down, up);
        _webSocket.Dispose();
        return _error.Length > 0 ? _error.ToString().Trim() : reason;
    }

    private async Task<string> DownAsync(CancellationToken stop)
    {
        byte[] buffer = new byte[BufferLength];
        int channel = -1;
        try
        {
            while (true)
            {
                ValueWebSocketReceiveResult received = await _webSocket.ReceiveAsync(buffer.AsMemory(), stop);
                if (received.MessageType == WebSocketMessageType.Close)
                    return _webSocket.CloseStatusDescription is { Length: > 0 } text ? text : "the API server closed the port-forward";
                Memory<byte> bytes = buffer.AsMemory(0, received.Count);
                if (channel < 0 && bytes.Length > 0)
                {
                    channel = bytes.Span[0];
                    bytes = bytes[1..];
                }

                if (channel is DataChannel or ErrorChannel)
                {
                    int prefix = Math.Min(_prefixLeft[channel], bytes.Length);
                    _prefixLeft[channel] -= prefix;
                    await DeliverAsync(channel, bytes[prefix..], stop);
                }

                if (received.EndOfMessage)
                {
                    if (channel == ErrorChannel && _error.Length > 0)
                        return _error.ToString();
                    channel = -1;
                }
            }
        }
        catch (Exception fault) when (IsLinkFault(fault))
        {
            return Reason(fault);
        }
    }

    private async ValueTask DeliverAsync(int channel, Memory<byte> bytes, CancellationToken stop)
    {
        if (channel == ErrorChannel)
        {
            const int longest = 2048;
            if (_error.Length < longest)
                _error.Append(Encoding.UTF8.GetString(bytes.Span[..Math.Min(bytes.Length, longest)]));
            return;
        }

        while (bytes.Length > 0)
            bytes = bytes[await _inner.SendAsync(bytes, SocketFlags.None, stop)..];
    }

    private async Task<string> UpAsync(CancellationToken stop)
    {
        byte[] buffer = new byte[BufferLength];
        buffer[0] = DataChannel;
        try
        {
            while (true)
            {
                int count = await _inner.ReceiveAsync(buffer.AsMemory(1), SocketFlags.None, stop);
                if (count == 0)
                    return "the session closed the link";
                await _webSocket.SendAsync(buffer.AsMemory(0, count + 1), WebSocketMessageType.Binary, endOfMessage: true, stop);
            }
        }
        catch (Exception fault) when (IsLinkFault(fault))
        {
            return Reason(fault);
        }
    }

    private static bool IsLinkFault(Exception fault) =>
        fault is WebSocketException or SocketException or IOException or OperationCanceledException or ObjectDisposedException;

    private static string Reason(Exception fault) =>
        $"the port-forward was lost: {(fault.InnerException ?? fault).Message}";
}
