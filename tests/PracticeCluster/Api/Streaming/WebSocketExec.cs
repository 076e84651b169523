using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>
/// exec and attach over vN.channel.k8s.io: channels 0 stdin, 1 stdout, 2 stderr, 3 error (the status), 4 resize
/// (JSON Width, Height). v5 adds channel 255: its payload names a channel that the client has closed.
/// </summary>
internal sealed class WebSocketExec(INode node, ExecRequest request)
{
    public static readonly string[] Protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

    public async Task RunAsync(WebSocket webSocket, CancellationToken cancel)
    {
        using var channels = new ChannelSocket(webSocket);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var stdin = new Pipe();
        var sizes = Channel.CreateUnbounded<TerminalSize>();
        Stream? Output(bool wanted, byte channel) => wanted ? new CallbackStream((b, c) => channels.SendAsync(channel, b, c)) : null;
        var streams = new ProcessStreams(request.Stdin ? stdin.Reader.AsStream() : null, Output(request.Stdout, 1), Output(request.Stderr, 2),
            request.Tty, request.Tty ? sizes.Reader : null);
        try
        {
            // Tells the client that the other end stands.
            await channels.SendAsync(request.Stdout ? (byte)1 : request.Stderr ? (byte)2 : (byte)3, default, end.Token).ConfigureAwait(false);
            var receiving = ReceiveAsync(channels, stdin.Writer, sizes.Writer, end.Token);
            var running = request.RunAsync(node, streams, end.Token);
            // A client that goes away takes the process with it.
            if (await Task.WhenAny(running, receiving).ConfigureAwait(false) == receiving) await end.CancelAsync().ConfigureAwait(false);
            var status = await running.ConfigureAwait(false);
            await channels.SendAsync(3, ExecStatus.Bytes(status), end.Token).ConfigureAwait(false);
            await channels.CloseAsync().ConfigureAwait(false);
            // To cut a connection whose peer still has something to read would take it away from the peer.
            end.CancelAfter(ChannelSocket.ClosePatience);
            await receiving.ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException or IOException)
        {
            // The client has gone.
        }
    }

    private static async Task ReceiveAsync(ChannelSocket channels, PipeWriter stdin, ChannelWriter<TerminalSize> sizes, CancellationToken cancel)
    {
        var buffer = new byte[32 * 1024];
        try
        {
            while (await channels.ReceiveAsync(buffer, cancel).ConfigureAwait(false) is var (channel, offset, count))
            {
                var payload = buffer.AsMemory(offset, count);
                if (channel == 0) await stdin.WriteAsync(payload, cancel).ConfigureAwait(false);
                else if (channel == 4 && Size(payload.Span) is { } size) sizes.TryWrite(size);
                else if (channel == 255 && payload.Span is [0, ..]) await stdin.CompleteAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            await stdin.CompleteAsync().ConfigureAwait(false);
        }
    }

    internal static TerminalSize? Size(ReadOnlySpan<byte> json)
    {
        try
        {
            var size = JsonNode.Parse(json);
            return new TerminalSize((ushort)(size.Num("Width") ?? 0), (ushort)(size.Num("Height") ?? 0));
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
