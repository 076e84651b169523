using System.Text;
using System.Threading.Channels;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>exec and attach over SPDY (v4.channel.k8s.io): a stream each for error, stdin, stdout, stderr and resize, as asked for.</summary>
internal sealed class SpdyExec(INode node, ExecRequest request)
{
    private static readonly TimeSpan StreamsTimeout = TimeSpan.FromSeconds(30);

    public async Task RunAsync(Stream transport, CancellationToken cancel)
    {
        using var session = new SpdySession(transport);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var receiving = session.ReceiveAsync(end.Token);
        try
        {
            var streams = await CollectAsync(session, end.Token).ConfigureAwait(false);
            var sizes = Channel.CreateUnbounded<TerminalSize>();
            var resizing = streams.TryGetValue("resize", out var resize) ? ResizeAsync(resize, sizes.Writer, end.Token) : Task.CompletedTask;
            Stream? Output(string type) => streams.TryGetValue(type, out var s) ? new CallbackStream(s.WriteAsync) : null;
            var process = new ProcessStreams(streams.TryGetValue("stdin", out var stdin) ? stdin.Reader.AsStream() : null,
                Output("stdout"), Output("stderr"), request.Tty, request.Tty ? sizes.Reader : null);
            var running = request.RunAsync(node, process, end.Token);
            if (await Task.WhenAny(running, receiving).ConfigureAwait(false) == receiving) await end.CancelAsync().ConfigureAwait(false);
            var status = await running.ConfigureAwait(false);
            await streams["error"].WriteAsync(ExecStatus.Bytes(status), end.Token).ConfigureAwait(false);
            foreach (var (type, stream) in streams)
                if (type is "stdout" or "stderr" or "error") await stream.FinishAsync(end.Token).ConfigureAwait(false);
            await session.SendGoAwayAsync(end.Token).ConfigureAwait(false);
            await end.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(receiving, resizing).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or InvalidDataException)
        {
            // The client has gone, or does not speak SPDY.
        }
    }

    private async Task<Dictionary<string, SpdyStream>> CollectAsync(SpdySession session, CancellationToken cancel)
    {
        var wanted = 1 + (request.Stdin ? 1 : 0) + (request.Stdout ? 1 : 0) + (request.Stderr ? 1 : 0) + (request.Tty ? 1 : 0);
        var streams = new Dictionary<string, SpdyStream>(StringComparer.Ordinal);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(StreamsTimeout);
        while (streams.Count < wanted)
        {
            if (!await session.Opened.WaitToReadAsync(patience.Token).ConfigureAwait(false)) throw new IOException("connection closed before all streams were open");
            while (session.Opened.TryRead(out var stream)) streams[stream.Type] = stream;
        }
        return streams;
    }

    private static async Task ResizeAsync(SpdyStream stream, ChannelWriter<TerminalSize> sizes, CancellationToken cancel)
    {
        using var lines = new StreamReader(stream.Reader.AsStream(), Encoding.UTF8);
        while (await lines.ReadLineAsync(cancel).ConfigureAwait(false) is { } line)
        {
            if (WebSocketExec.Size(Encoding.UTF8.GetBytes(line)) is { } size) sizes.TryWrite(size);
        }
    }
}
