using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>The program at one end: writes a pattern, checks the pattern of the other, ends, resets or refuses.</summary>
internal sealed class LossyFlowEnd(LossyFlow flow, bool isOpener, int total, int resetAfter) : IMuxStreamHandler
{
    private MuxStream? _stream;
    private int _sent;
    private int _received;
    private int _unconsumed;
    private int _acts;
    private bool _ended;
    private bool _otherEnded;
    private bool _closed;
    private bool _wasRefused;
    private readonly List<byte[]> _accepted = [];
    private readonly List<byte[]> _arrived = [];
    private string? _fault;

    internal bool IsDone => _closed || (_ended && _otherEnded);

    internal void Attach(MuxStream stream)
    {
        _stream = stream;
        stream.Handler = this;
    }

    internal void Act(Random random, long now)
    {
        if (_stream is null || _closed)
            return;
        _acts++;
        if (!isOpener && !_stream.IsAccepted && random.Next(3) == 0)
        {
            if (flow.Refused)
            {
                _stream.Refuse(RefuseCode.Refused, "no", now);
                _closed = true;
                return;
            }

            _stream.Accept([], now);
        }

        if (_acts > resetAfter)
        {
            _stream.Reset(RefuseCode.None, now);
            _closed = true;
            return;
        }

        int consume = random.Next(3) == 0 ? _unconsumed : random.Next(0, _unconsumed + 1);
        _unconsumed -= consume;
        _stream.Consume(consume, now);
        if (_ended || (!isOpener && !_stream.IsAccepted))
            return;
        if (flow.Kind == StreamKind.Udp)
            WriteDatagram(random, now);
        else
            WriteBytes(random, now);
        if (_sent < total)
            return;
        _ended = true;
        _stream.WriteEnd(now);
    }

    private void WriteBytes(Random random, long now)
    {
        int count = Math.Min(Math.Min(total - _sent, _stream!.SendSpace), random.Next(4) == 0 ? 1 : random.Next(0, 5000));
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
            bytes[i] = Pattern(isOpener, _sent + i);
        if (random.Next(2) == 0)
        {
            _stream.Write(bytes, now);
            _sent += count;
        }
        else
        {
            Span<byte> span = _stream.GetWriteSpan(count);
            count = Math.Min(count, span.Length);
            bytes.AsSpan(0, count).CopyTo(span);
            _stream.Advance(count, now);
            _sent += count;
        }
    }

    private void WriteDatagram(Random random, long now)
    {
        int size = Math.Min(total - _sent, random.Next(8) == 0 ? random.Next(1, 10_000) : random.Next(1, 1500));
        if (size <= 0)
            return;
        byte[] datagram = new byte[size];
        random.NextBytes(datagram);
        if (_stream!.WriteDatagram(datagram, now))
            _accepted.Add(datagram);
        _sent += size;
    }

    internal void Check(LossyFlowEnd other, Action<string> fail)
    {
        if (_fault is not null)
            fail($"{flow.Number}: {_fault}");
        bool cutShort = _closed || other._closed;
        if (flow.Kind == StreamKind.Tcp)
        {
            if (other._received > _sent || (!cutShort && other._received != _sent))
                fail($"{flow.Number}: {_sent} bytes were sent, {other._received} arrived");
        }
        else if (!cutShort && other._arrived.Count != _accepted.Count)
        {
            fail($"{flow.Number}: {_accepted.Count} datagrams were accepted, {other._arrived.Count} arrived");
        }

        for (int i = 0; i < other._arrived.Count; i++)
        {
            if (!other._arrived[i].AsSpan().SequenceEqual(_accepted[i]))
                fail($"{flow.Number}: datagram {i} is not the one that was sent");
        }

        if (!flow.Refused && !flow.Reset && (_closed || _wasRefused))
            fail($"{flow.Number}: closed for no reason");
        if (flow.Refused && isOpener && !_wasRefused)
            fail($"{flow.Number}: the refusal did not arrive");
    }

    public override string ToString() =>
        $"{(isOpener ? "opener" : "acceptor")} sent {_sent}/{total} received {_received} ended {_ended}/{_otherEnded} closed {_closed}"
        + $" space {_stream?.SendSpace} accepted {_stream?.IsAccepted}";

    public void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
    {
        if (flow.Refused)
            _fault = "accepted although it was refused";
    }

    public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
    {
        _closed = _wasRefused = true;
        if (code != RefuseCode.Refused || reason != "no")
            _fault = $"wrong refusal {code} {reason}";
    }

    public void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
    {
        if (_otherEnded || _closed)
            _fault = "data after the end";
        foreach (byte value in bytes)
        {
            if (value != Pattern(!isOpener, _received++))
                _fault ??= $"wrong byte at {_received - 1}";
        }

        _unconsumed += bytes.Length;
    }

    public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now)
    {
        if (_otherEnded || _closed)
            _fault = "datagram after the end";
        _arrived.Add(datagram.ToArray());
    }

    public void OnEnd(MuxStream stream, long now)
    {
        if (_otherEnded)
            _fault = "ended twice";
        _otherEnded = true;
    }

    public void OnReset(MuxStream stream, RefuseCode code, long now)
    {
        if (code != RefuseCode.None || _closed)
            _fault = $"reset {code}";
        _closed = true;
    }

    public void OnSendSpace(MuxStream stream, long now)
    {
        if (stream.SendSpace == 0)
            _fault = "offered no space";
    }

    private byte Pattern(bool opener, int offset) => (byte)(((offset * 31) + (offset >> 8) + (flow.Number * 7)) ^ (opener ? 0x55 : 0xAA));
}
