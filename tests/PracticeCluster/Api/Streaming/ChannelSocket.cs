using System.Net.WebSockets;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>
/// A WebSocket of the channel.k8s.io family: the first byte of each binary message is its channel. One reader; writers
/// take turns.
/// </summary>
internal sealed class ChannelSocket(WebSocket socket) : IDisposable
{
    /// <summary>How long to wait for the peer's close after our own.</summary>
    public static readonly TimeSpan ClosePatience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _turn = new(1);
    private bool _within;
    private byte _channel;

    /// <summary>Sends channel and payload as one message. <paramref name="framed"/> has its first byte free for the channel.</summary>
    public async Task SendFramedAsync(byte channel, Memory<byte> framed, CancellationToken cancel)
    {
        framed.Span[0] = channel;
        await _turn.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            await socket.SendAsync(framed, WebSocketMessageType.Binary, true, cancel).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public Task SendAsync(byte channel, ReadOnlyMemory<byte> payload, CancellationToken cancel)
    {
        var framed = new byte[payload.Length + 1];
        payload.CopyTo(framed.AsMemory(1));
        return SendFramedAsync(channel, framed, cancel);
    }

    /// <summary>
    /// Reads the next piece: its channel, how many bytes lie in <paramref name="buffer"/> and whether it ends the message.
    /// Null when the peer has closed.
    /// </summary>
    public async Task<(byte Channel, int Offset, int Count)?> ReceiveAsync(Memory<byte> buffer, CancellationToken cancel)
    {
        while (true)
        {
            var piece = await socket.ReceiveAsync(buffer, cancel).ConfigureAwait(false);
            if (piece.MessageType == WebSocketMessageType.Close) return null;
            var begins = !_within;
            _within = !piece.EndOfMessage;
            if (!begins) return (_channel, 0, piece.Count);
            if (piece.Count == 0) continue;
            _channel = buffer.Span[0];
            return (_channel, 1, piece.Count - 1);
        }
    }

    public async Task CloseAsync(WebSocketCloseStatus status = WebSocketCloseStatus.NormalClosure, string? why = null)
    {
        if (socket.State is not (WebSocketState.Open or WebSocketState.CloseReceived)) return;
        using var patience = new CancellationTokenSource(ClosePatience);
        await _turn.WaitAsync(patience.Token).ConfigureAwait(false);
        try
        {
            await socket.CloseOutputAsync(status, why, patience.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            // The peer was faster.
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();
}
