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
    private const int BufferLength = 128 * 1024, LeastRoom = 16 * 1024;

    // A container runtime takes a message as a whole into memory that it makes larger step by step: more is slower there (bench/NOTES.md).
    private const int MessageLength = 64 * 1024;

    private readonly KubeWebSocket _webSocket;
    private readonly Socket _inner;
    private readonly StringBuilder _error = new();
    private readonly int[] _prefixLeft = [PortPrefixLength, PortPrefixLength];

    private PortForwardLink(KubeWebSocket webSocket, Socket inner, FileDescriptor descriptor)
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
        KubeWebSocket webSocket = await client.OpenWebSocketAsync(KubeRequest.PortForward(@namespace, pod, port), Subprotocol, cancellation);
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
        Task<string> down = OnThread(() => DownAsync(stop.Token)), up = OnThread(() => UpAsync(stop.Token));
        string reason = await await Task.WhenAny(down, up);

        // Whatever ended first is the reason; the other direction is told to end.
        await stop.CancelAsync();
        _webSocket.Socket.Abort();
        _inner.Dispose();
        await Task.WhenAll(down, up);
        _webSocket.Dispose();
        return _error.Length > 0 ? _error.ToString().Trim() : reason;
    }

    // Each direction waits in system calls, on a thread of its own.
    private static Task<string> OnThread(Func<Task<string>> pump) =>
        Task.Factory.StartNew(pump, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();

    // Under load the bytes come in small pieces, as TLS and kubectl cut them. What has arrived by then is gathered, so that the session is
    // woken once for all of it and not for each piece.
    private async Task<string> DownAsync(CancellationToken stop)
    {
        Gathering gathering = new(_inner);
        byte[] head = new byte[1];
        int channel = -1;
        try
        {
            while (true)
            {
                gathering.MakeRoom();
                if (!_webSocket.HasMore)
                    gathering.PassOn();
                ValueWebSocketReceiveResult received = await _webSocket.Socket.ReceiveAsync(channel < 0 ? head : gathering.Free, stop);
                if (received.MessageType == WebSocketMessageType.Close)
                {
                    gathering.PassOn();
                    return _webSocket.Socket.CloseStatusDescription is { Length: > 0 } text ? text : "the API server closed the port-forward";
                }

                if (channel >= 0)
                    Take(channel, gathering, received.Count);
                else if (received.Count > 0)
                    channel = head[0];
                if (!received.EndOfMessage)
                    continue;
                if (channel == ErrorChannel && _error.Length > 0)
                {
                    gathering.PassOn();
                    return _error.ToString();
                }

                channel = -1;
            }
        }
        catch (Exception fault) when (IsLinkFault(fault))
        {
            // The last that came may be what the pod had to say about its end.
            gathering.TryPassOn();
            return Reason(fault);
        }
    }

    // What stands in the gathering's free room.
    private void Take(int channel, Gathering gathering, int count)
    {
        const int longest = 2048;
        if (channel is not (DataChannel or ErrorChannel))
            return;
        int prefix = Math.Min(_prefixLeft[channel], count);
        _prefixLeft[channel] -= prefix;
        if (channel == DataChannel)
            gathering.Add(prefix, count - prefix);
        else if (_error.Length < longest)
            _error.Append(Encoding.UTF8.GetString(gathering.Free.Span[prefix..Math.Min(count, longest)]));
    }

    private async Task<string> UpAsync(CancellationToken stop)
    {
        byte[] buffer = new byte[MessageLength];
        buffer[0] = DataChannel;
        try
        {
            while (true)
            {
                int count = _inner.Receive(buffer.AsSpan(1));
                if (count == 0)
                    return "the session closed the link";
                await _webSocket.Socket.SendAsync(buffer.AsMemory(0, count + 1), WebSocketMessageType.Binary, endOfMessage: true, stop);
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

    /// <summary>Bytes on their way to the session that have not been passed on.</summary>
    private sealed class Gathering(Socket session)
    {
        private readonly byte[] _buffer = new byte[BufferLength];
        private int _begin;
        private int _end;

        /// <summary>Where the next bytes go.</summary>
        internal Memory<byte> Free => _buffer.AsMemory(_end);

        /// <summary>Counts bytes of the free room in, behind those that are not meant for the session.</summary>
        internal void Add(int skip, int count)
        {
            if (skip > 0)
                _buffer.AsSpan(_end + skip, count).CopyTo(_buffer.AsSpan(_end));
            _end += count;
        }

        /// <summary>Takes care that there is free room; it moves.</summary>
        internal void MakeRoom()
        {
            if (Free.Length < LeastRoom)
                PassOn();
            if (_begin == _end)
                _begin = _end = 0;
        }

        /// <summary>Passes everything on.</summary>
        internal void PassOn()
        {
            while (_begin < _end)
                _begin += session.Send(_buffer.AsSpan(_begin, _end - _begin));
        }

        /// <summary>The same for a session that may have gone.</summary>
        internal void TryPassOn()
        {
            try
            {
                PassOn();
            }
            catch (Exception gone) when (IsLinkFault(gone))
            {
                // Then there is nobody to read it.
            }
        }
    }
}
