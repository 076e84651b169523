using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// A port-forward to the proxy pod: a WebSocket (RFC 6455) on a socket of its own, whose messages are read and written on the loop that
/// owns the session, with no other thread or socket in between.
/// </summary>
/// <remarks>
/// <para>Subprotocol <c>v4.channel.k8s.io</c>: each binary message begins with a channel byte, 0 for data and 1 for errors; the first
/// message on each channel is the port, two bytes little-endian. The kubelet dials the port only behind the upgrade, so a refused
/// connection arrives on channel 1; it becomes <see cref="End"/>.</para>
/// <para>The link's own end-of-stream means nothing: a kubelet delivers it up to a second late. Sessions carry their own.</para>
/// </remarks>
internal sealed class PortForwardLink : ILinkFraming
{
    private const string Subprotocol = "v4.channel.k8s.io";
    private const byte DataChannel = 0, ErrorChannel = 1;
    private const int NoChannel = -1, PortPrefixLength = 2, LongestError = 2048;

    // With the channel byte a message's length still fits into two bytes. A container runtime takes a message as a whole into memory that it
    // makes larger step by step: more is slower there (bench/NOTES.md).
    private const int LongestMessage = ushort.MaxValue - 1;
    private const int KeyLength = sizeof(uint), LongestHeader = 4 + KeyLength;

    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly WebSocketMask _mask = new();
    private readonly List<byte> _error = [];
    private readonly List<byte> _control = [];
    private readonly List<byte> _pong = [];
    private readonly int[] _prefixLeft = [PortPrefixLength, PortPrefixLength];

    // The frame that is being read, or its header as far as it has come; the message to which it belongs.
    private WebSocketFrame _frame;
    private bool _inFrame;
    private long _left;
    private bool _inMessage;
    private int _channel = NoChannel;
    private bool _pongOwed;

    /// <summary>Takes over a WebSocket behind its handshake.</summary>
    internal PortForwardLink(FileDescriptor socket) => Socket = socket;

    /// <summary>The socket; whoever takes the link owns it.</summary>
    internal FileDescriptor Socket { get; }

    /// <summary>Ends with the link, and says why it ended.</summary>
    internal Task<string> Ended => _ended.Task;

    /// <inheritdoc/>
    public int MaxMessage => LongestMessage;

    /// <inheritdoc/>
    public int Overhead => LongestHeader + sizeof(byte) + LongestHeader + WebSocketFrame.LongestControl;

    /// <inheritdoc/>
    public bool HasOutput => _pongOwed;

    /// <inheritdoc/>
    public string? End { get; private set; }

    /// <summary>Opens a port-forward.</summary>
    /// <exception cref="KubeException">The API server refused or did not answer.</exception>
    internal static async Task<PortForwardLink> OpenAsync(KubeClient client, string @namespace, string pod, int port, CancellationToken cancellation) =>
        new(await client.OpenWebSocketAsync(KubeRequest.PortForward(@namespace, pod, port), Subprotocol, cancellation));

    /// <inheritdoc/>
    public int Unwrap(Span<byte> bytes)
    {
        int kept = 0, at = 0;
        while (End is null && (at < bytes.Length || (_inFrame && _left == 0)))
        {
            if (!_inFrame)
            {
                if (_frame.Take(bytes[at++]))
                    BeginFrame();
                continue;
            }

            int count = (int)Math.Min(_left, bytes.Length - at);
            Span<byte> payload = bytes.Slice(at, count);
            at += count;
            _left -= count;
            if (_frame.IsControl)
                _control.AddRange(payload);
            else
                kept += TakeData(payload, bytes[kept..]);
            if (_left == 0)
                EndFrame();
        }

        return kept;
    }

    /// <inheritdoc/>
    public int Wrap(ReadOnlySpan<IoVector> vectors, Span<byte> output)
    {
        int written = 0;
        if (_pongOwed)
        {
            uint pongKey = BeginFrame(WebSocketFrame.Pong, _pong.Count, output, ref written);
            WebSocketMask.Copy(CollectionsMarshal.AsSpan(_pong), output[written..], pongKey);
            written += _pong.Count;
            _pongOwed = false;
        }

        int length = 0;
        foreach (IoVector vector in vectors)
            length += (int)vector.Length;
        if (length == 0)
            return written;
        uint key = BeginFrame(WebSocketFrame.Binary, sizeof(byte) + length, output, ref written);
        ReadOnlySpan<byte> channel = [DataChannel];
        key = WebSocketMask.Copy(channel, output[written++..], key);
        foreach (IoVector vector in vectors)
        {
            key = WebSocketMask.Copy(vector.Span, output[written..], key);
            written += (int)vector.Length;
        }

        return written;
    }

    /// <inheritdoc/>
    public void Closed(string reason) => _ended.TrySetResult(_error.Count > 0 ? ErrorText() : reason);

    private void BeginFrame()
    {
        _inFrame = true;
        _left = _frame.Length;
        if (!_frame.IsValid || (!_frame.IsControl && _inMessage != (_frame.Opcode == WebSocketFrame.Continuation)))
        {
            End = "the API server sent what is not a WebSocket's frame";
            return;
        }

        if (_frame.IsControl)
            _control.Clear();
        else
            _inMessage = true;
    }

    private void EndFrame()
    {
        WebSocketFrame frame = _frame;
        _frame = default;
        _inFrame = false;
        switch (frame.Opcode)
        {
            case WebSocketFrame.Ping:
                _pong.Clear();
                _pong.AddRange(_control);
                _pongOwed = true;
                return;
            case WebSocketFrame.Pong:
                return;
            case WebSocketFrame.Close:
                // Two bytes of a code, then a reason.
                End = _error.Count > 0 ? ErrorText() : _control.Count > 2 ? Encoding.UTF8.GetString([.. _control[2..]]) : "the API server closed the port-forward";
                return;
        }

        if (!frame.IsFinal)
            return;
        if (_channel == ErrorChannel && _error.Count > 0)
            End = ErrorText();
        _channel = NoChannel;
        _inMessage = false;
    }

    /// <returns>How many bytes of the session it put at the beginning of <paramref name="target"/>.</returns>
    private int TakeData(ReadOnlySpan<byte> payload, Span<byte> target)
    {
        if (_channel == NoChannel && !payload.IsEmpty)
        {
            _channel = payload[0];
            payload = payload[1..];
        }

        if (_channel is not (DataChannel or ErrorChannel))
            return 0;
        int prefix = Math.Min(_prefixLeft[_channel], payload.Length);
        _prefixLeft[_channel] -= prefix;
        payload = payload[prefix..];
        if (_channel == DataChannel)
        {
            payload.CopyTo(target);
            return payload.Length;
        }

        _error.AddRange(payload[..Math.Min(payload.Length, LongestError - _error.Count)]);
        return 0;
    }

    private string ErrorText() => Encoding.UTF8.GetString([.. _error]).Trim();

    private uint BeginFrame(int opcode, int length, Span<byte> output, ref int written)
    {
        output[written++] = (byte)(WebSocketFrame.Final | opcode);
        if (length < WebSocketFrame.ShortLength)
        {
            output[written++] = (byte)(WebSocketFrame.Masked | length);
        }
        else
        {
            output[written++] = WebSocketFrame.Masked | WebSocketFrame.ShortLength;
            BinaryPrimitives.WriteUInt16BigEndian(output[written..], (ushort)length);
            written += sizeof(ushort);
        }

        uint key = _mask.Next();
        BinaryPrimitives.WriteUInt32LittleEndian(output[written..], key);
        written += KeyLength;
        return key;
    }
}
