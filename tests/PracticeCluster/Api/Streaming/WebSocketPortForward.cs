using System.Buffers.Binary;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Practice;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>
/// Port-forward over v4.channel.k8s.io: for the n-th port channel 2n carries data and 2n+1 errors. The server's first
/// message on each is the port, two bytes little-endian. The protocol has no half-close: when the pod's side ends, the
/// whole connection ends.
/// </summary>
internal sealed class WebSocketPortForward(INode node, Faults faults, PodKey pod, IReadOnlyList<int> ports)
{
    private const int Chunk = 32 * 1024;

    public async Task RunAsync(WebSocket webSocket, CancellationToken cancel)
    {
        using var channels = new ChannelSocket(webSocket);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var sockets = new Socket?[ports.Count];
        try
        {
            var downs = new List<Task>();
            for (var i = 0; i < ports.Count; i++)
            {
                var prefix = new byte[2];
                BinaryPrimitives.WriteUInt16LittleEndian(prefix, (ushort)ports[i]);
                await channels.SendAsync((byte)(2 * i), prefix, end.Token).ConfigureAwait(false);
                await channels.SendAsync((byte)(2 * i + 1), prefix, end.Token).ConfigureAwait(false);
                (sockets[i], var error) = await PortForwardDialer.DialAsync(node, pod, ports[i], end.Token).ConfigureAwait(false);
                if (error is not null) await channels.SendAsync((byte)(2 * i + 1), Encoding.UTF8.GetBytes(error), end.Token).ConfigureAwait(false);
                else downs.Add(DownAsync(channels, (byte)(2 * i), sockets[i]!, end.Token));
            }
            var up = UpAsync(channels, sockets, end.Token);
            await Task.WhenAny(up, Task.WhenAll(downs)).ConfigureAwait(false);
            await channels.CloseAsync().ConfigureAwait(false);
            // What lies in the peer's receive buffer would be lost if this side cut the connection now.
            end.CancelAfter(ChannelSocket.ClosePatience);
            await Task.WhenAll([up, .. downs]).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException or SocketException or IOException)
        {
            // One of the two sides has gone; the other is let go below.
        }
        finally
        {
            foreach (var socket in sockets) socket?.Dispose();
        }
    }

    private async Task DownAsync(ChannelSocket channels, byte channel, Socket socket, CancellationToken cancel)
    {
        var buffer = new byte[Chunk + 1];
        while (await socket.ReceiveAsync(buffer.AsMemory(1), cancel).ConfigureAwait(false) is var n and > 0)
        {
            await faults.PortForwardGate().WaitAsync(cancel).ConfigureAwait(false);
            await channels.SendFramedAsync(channel, buffer.AsMemory(0, n + 1), cancel).ConfigureAwait(false);
        }
    }

    private async Task UpAsync(ChannelSocket channels, Socket?[] sockets, CancellationToken cancel)
    {
        var buffer = new byte[2 * Chunk];
        while (await channels.ReceiveAsync(buffer, cancel).ConfigureAwait(false) is var (channel, offset, count))
        {
            await faults.PortForwardGate().WaitAsync(cancel).ConfigureAwait(false);
            // Data channels are the even ones; what a client says on an error channel nobody hears.
            if ((channel & 1) != 0 || channel / 2 >= sockets.Length || sockets[channel / 2] is not { } socket) continue;
            for (var sent = 0; sent < count;)
                sent += await socket.SendAsync(buffer.AsMemory(offset + sent, count - sent), cancel).ConfigureAwait(false);
        }
    }
}
