using System.Globalization;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Practice;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>
/// Port-forward over SPDY, raw or inside a WebSocket: for each connection the client opens an error and a data stream with
/// the same requestid and the port in a header.
/// </summary>
internal sealed class SpdyPortForward(INode node, Faults faults, PodKey pod)
{
    public async Task RunAsync(Stream transport, CancellationToken cancel)
    {
        using var session = new SpdySession(transport);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var receiving = session.ReceiveAsync(end.Token);
        var halves = new Dictionary<string, SpdyStream>(StringComparer.Ordinal);
        var pairs = new List<Task>();
        try
        {
            await foreach (var stream in session.Opened.ReadAllAsync(end.Token).ConfigureAwait(false))
            {
                var request = stream.Header("requestid");
                if (!halves.Remove(request, out var other))
                {
                    halves[request] = stream;
                    continue;
                }
                var (error, data) = stream.Type == "error" ? (stream, other) : (other, stream);
                pairs.RemoveAll(p => p.IsCompletedSuccessfully);
                pairs.Add(ForwardAsync(error, data, end.Token));
            }
            await end.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll([receiving, .. pairs]).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or InvalidDataException or WebSocketException)
        {
            // The client has gone, or does not speak SPDY.
        }
    }

    private async Task ForwardAsync(SpdyStream error, SpdyStream data, CancellationToken cancel)
    {
        var port = int.TryParse(data.Header("port"), NumberStyles.None, CultureInfo.InvariantCulture, out var p) ? p : 0;
        var (socket, why) = await PortForwardDialer.DialAsync(node, pod, port, cancel).ConfigureAwait(false);
        if (socket is null) await error.WriteAsync(Encoding.UTF8.GetBytes(why!), cancel).ConfigureAwait(false);
        else
        {
            using (socket)
            using (var done = CancellationTokenSource.CreateLinkedTokenSource(cancel))
            {
                try
                {
                    var up = UpAsync(data, socket, done.Token);
                    await DownAsync(data, socket, done.Token).ConfigureAwait(false);
                    await done.CancelAsync().ConfigureAwait(false);
                    await up.ConfigureAwait(false);
                }
                catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
                {
                    // This connection has ended; the others go on.
                }
            }
        }
        await data.FinishAsync(cancel).ConfigureAwait(false);
        await error.FinishAsync(cancel).ConfigureAwait(false);
    }

    private async Task DownAsync(SpdyStream data, Socket socket, CancellationToken cancel)
    {
        var buffer = new byte[32 * 1024];
        while (await socket.ReceiveAsync(buffer, cancel).ConfigureAwait(false) is var n and > 0)
        {
            await faults.PortForwardGate().WaitAsync(cancel).ConfigureAwait(false);
            await data.WriteAsync(buffer.AsMemory(0, n), cancel).ConfigureAwait(false);
        }
    }

    private async Task UpAsync(SpdyStream data, Socket socket, CancellationToken cancel)
    {
        using var input = data.Reader.AsStream();
        var buffer = new byte[32 * 1024];
        while (await input.ReadAsync(buffer, cancel).ConfigureAwait(false) is var n and > 0)
        {
            await faults.PortForwardGate().WaitAsync(cancel).ConfigureAwait(false);
            for (var sent = 0; sent < n;) sent += await socket.SendAsync(buffer.AsMemory(sent, n - sent), cancel).ConfigureAwait(false);
        }
        socket.Shutdown(SocketShutdown.Send);
    }
}
