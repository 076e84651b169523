using System.Buffers.Binary;
using System.Threading.Channels;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>
/// The server's side of SPDY/3.1 as Kubernetes uses it: the client opens all streams, nobody minds flow control.
/// <code>
/// data     0|stream id (31)          | flags (8) | length (24) | bytes
/// control  1|version (15) | type (16)| flags (8) | length (24) | body
/// </code>
/// SYN_STREAM is answered with SYN_REPLY, PING with itself; SETTINGS and WINDOW_UPDATE are read and left.
/// </summary>
internal sealed class SpdySession(Stream transport) : IDisposable
{
    private const int Fin = 1;

    private readonly Dictionary<int, SpdyStream> _streams = [];
    private readonly Channel<SpdyStream> _opened = Channel.CreateUnbounded<SpdyStream>();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly SpdyHeaders _headers = new();

    /// <summary>Streams in the order in which the client opened them; ends with the connection.</summary>
    public ChannelReader<SpdyStream> Opened => _opened.Reader;

    /// <summary>Reads frames until the connection ends.</summary>
    public async Task ReceiveAsync(CancellationToken cancel)
    {
        var head = new byte[8];
        try
        {
            while (await FillAsync(head, cancel).ConfigureAwait(false))
            {
                var body = new byte[(head[5] << 16) | (head[6] << 8) | head[7]];
                if (!await FillAsync(body, cancel).ConfigureAwait(false)) break;
                if ((head[0] & 0x80) == 0) await DataAsync(BinaryPrimitives.ReadInt32BigEndian(head), head[4], body, cancel).ConfigureAwait(false);
                else if (!await ControlAsync(BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(2)), head[4], head, body, cancel).ConfigureAwait(false)) break;
            }
        }
        finally
        {
            _opened.Writer.TryComplete();
            foreach (var stream in _streams.Values) await stream.Input.CompleteAsync().ConfigureAwait(false);
        }
    }

    public async Task SendDataAsync(int stream, ReadOnlyMemory<byte> data, bool fin, CancellationToken cancel)
    {
        var frame = new byte[8 + data.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, stream);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), data.Length);
        frame[4] = fin ? (byte)Fin : (byte)0;
        data.CopyTo(frame.AsMemory(8));
        await SendAsync(frame, cancel).ConfigureAwait(false);
    }

    /// <summary>GOAWAY: no further streams, no error.</summary>
    public Task SendGoAwayAsync(CancellationToken cancel) => SendControlAsync(7, new byte[8], cancel);

    public void Dispose()
    {
        _headers.Dispose();
        _turn.Dispose();
    }

    private async Task DataAsync(int id, byte flags, byte[] body, CancellationToken cancel)
    {
        if (!_streams.TryGetValue(id, out var stream)) return;
        if (body.Length > 0) await stream.Input.WriteAsync(body, cancel).ConfigureAwait(false);
        if ((flags & Fin) != 0) await stream.Input.CompleteAsync().ConfigureAwait(false);
    }

    /// <returns>false for GOAWAY.</returns>
    private async Task<bool> ControlAsync(int type, byte flags, byte[] head, byte[] body, CancellationToken cancel)
    {
        switch (type)
        {
            case 1 when body.Length > 10:
                var id = BinaryPrimitives.ReadInt32BigEndian(body) & 0x7FFFFFFF;
                var stream = new SpdyStream(this, id, _headers.Read(body.AsSpan(10)));
                _streams[id] = stream;
                var reply = new byte[4];
                BinaryPrimitives.WriteInt32BigEndian(reply, id);
                await SendControlAsync(2, [.. reply, .. _headers.Write(new Dictionary<string, string>())], cancel).ConfigureAwait(false);
                if ((flags & Fin) != 0) await stream.Input.CompleteAsync().ConfigureAwait(false);
                _opened.Writer.TryWrite(stream);
                return true;
            case 3 when body.Length >= 4:
                if (_streams.Remove(BinaryPrimitives.ReadInt32BigEndian(body) & 0x7FFFFFFF, out var reset)) await reset.Input.CompleteAsync().ConfigureAwait(false);
                return true;
            case 6:
                await SendAsync([.. head, .. body], cancel).ConfigureAwait(false);
                return true;
            case 7:
                return false;
            case 8 when body.Length > 4:
                // HEADERS carry nothing of use here, but the decoder must see them to stay in step.
                _headers.Read(body.AsSpan(4));
                return true;
            default:
                return true;
        }
    }

    private Task SendControlAsync(ushort type, byte[] body, CancellationToken cancel)
    {
        var frame = new byte[8 + body.Length];
        BinaryPrimitives.WriteUInt16BigEndian(frame, 0x8003);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(2), type);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), body.Length);
        body.CopyTo(frame, 8);
        return SendAsync(frame, cancel);
    }

    private async Task SendAsync(byte[] frame, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            await transport.WriteAsync(frame, cancel).ConfigureAwait(false);
            await transport.FlushAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<bool> FillAsync(byte[] buffer, CancellationToken cancel) =>
        await transport.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancel).ConfigureAwait(false) == buffer.Length;
}
