using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>
/// An independent, deliberately plain TCP that opens a connection to an echo service, sends a pattern, reads it back and closes:
/// go-back-N with a fixed time-out, no SACK unless asked, windows that now and then shut. What it does not share with the stack
/// cannot hide the stack's mistakes.
/// </summary>
internal sealed class ReferenceClient
{
    private const long Timeout = 300_000;

    private readonly NetAddress _source, _destination;
    private readonly ushort _port;
    private readonly int _length;
    private readonly int _mss;
    private readonly bool _sack;
    private readonly Random _random;
    private readonly Action<byte[], long> _send;
    private readonly uint _initial;
    private readonly SortedDictionary<long, byte[]> _ahead = [];
    private uint _peerInitial;
    private bool _open;
    private long _acknowledged, _next; // offsets of data; the FIN is _length
    private long _edge;
    private long _received;
    private bool _peerEnded;
    private bool _ackDue;
    private long _retransmitAt;
    private int _window;
    private long _stallUntil;

    public ReferenceClient(NetAddress source, NetAddress destination, ushort port, int length, int mtu, bool sack, Random random, Action<byte[], long> send)
    {
        (_source, _destination, _port, _length, _sack, _random, _send) = (source, destination, port, length, sack, random, send);
        _mss = mtu - (source.IsIPv4 ? 40 : 60);
        _initial = (uint)random.Next();
        _window = random.Next(5_000, 60_000);
    }

    public List<string> Errors { get; } = [];
    public bool Reset { get; private set; }

    /// <summary>Everything sent and acknowledged, everything read back, both ends closed.</summary>
    public bool Done => _acknowledged == _length + 1 && _peerEnded;

    public long NextDeadline => Done ? long.MaxValue : Math.Min(_retransmitAt, _stallUntil == 0 ? long.MaxValue : _stallUntil);

    public override string ToString() => $"[open {_open}, acknowledged {_acknowledged} of {_length + 1}, sent {_next}, received {_received}, ended {_peerEnded}, window {_window}]";

    public void Poll(long now)
    {
        if (_stallUntil != 0 && now >= _stallUntil)
        {
            _stallUntil = 0;
            _window = _random.Next(5_000, 60_000);
            _ackDue = true;
        }
        if (!Done && now >= _retransmitAt)
        {
            _next = _acknowledged;
            _retransmitAt = now + Timeout;
            if (!_open)
                Emit(TcpFlags.Syn, -1, [2, 4, (byte)(_mss >> 8), (byte)_mss, .. _sack ? (byte[])[1, 1, 4, 2] : []], [], now);
            else if (_edge <= _next)
                Emit(TcpFlags.Ack, _next - 1, [], [], now); // window probe
            else
                _ackDue = true;
        }
        if (_open)
            Transmit(now);
    }

    public void Receive(byte[] frame, long now)
    {
        ReadOnlySpan<byte> packet = frame.AsSpan(VirtioNetHeader.Size);
        ReadOnlySpan<byte> payload;
        byte protocol;
        if (_source.IsIPv4)
        {
            if (!IPv4Header.TryParse(packet, out IPv4Header ip) || !ip.IsChecksumValid || ip.Destination != _source)
                return;
            payload = ip.Payload;
            protocol = ip.Protocol;
        }
        else
        {
            if (!IPv6Header.TryParse(packet, false, out IPv6Header ip) || ip.Destination != _source)
                return;
            payload = ip.Payload;
            protocol = ip.NextHeader;
        }
        if (protocol != IpProtocol.Tcp || !TcpHeader.TryParse(payload, out TcpHeader tcp))
            return;
        if (!Checksum.IsValid(Checksum.Add(Checksum.PseudoHeader(_destination, _source, IpProtocol.Tcp, payload.Length), payload)) || tcp.DestinationPort != _port)
            return;
        Take(tcp, now);
        Transmit(now);
    }

    private void Take(in TcpHeader tcp, long now)
    {
        if (tcp.Has(TcpFlags.Rst))
        {
            Reset |= !Done;
            return;
        }
        if (tcp.Has(TcpFlags.Syn))
        {
            if (!_open)
            {
                _open = true;
                _peerInitial = tcp.Sequence;
                _edge = tcp.Window;
                _retransmitAt = now + Timeout;
            }
            _ackDue = true;
            return;
        }
        if (!_open)
            return;
        long ack = _acknowledged + (int)(tcp.Acknowledgment - (_initial + 1 + (uint)_acknowledged));
        if (ack > _length + 1)
            Errors.Add($"Acknowledged {ack} of {_length + 1}.");
        if (ack >= _acknowledged && ack <= _length + 1)
        {
            if (ack > _acknowledged)
                _retransmitAt = now + Timeout;
            _acknowledged = ack;
            _next = Math.Max(_next, ack);
            _edge = Math.Max(_edge, ack + tcp.Window);
        }
        long start = _received + (int)(tcp.Sequence - (_peerInitial + 1 + (uint)_received));
        if (tcp.SequenceLength == 0 && start >= _received)
            return;
        _ackDue = true;
        if (start > _received)
        {
            if (_sack && !tcp.Payload.IsEmpty)
                _ahead[start] = tcp.Payload.ToArray();
            return;
        }
        Accept(tcp.Payload, start, now);
        foreach ((long at, byte[] bytes) in _ahead.ToArray())
        {
            if (at <= _received)
            {
                Accept(bytes, at, now);
                _ahead.Remove(at);
            }
        }
        if (tcp.Has(TcpFlags.Fin) && start + tcp.Payload.Length == _received && !_peerEnded)
        {
            _peerEnded = true;
            if (_received != _length)
                Errors.Add($"The end came at {_received} of {_length}.");
            _received++;
        }
    }

    private void Accept(ReadOnlySpan<byte> bytes, long start, long now)
    {
        long skip = _received - start;
        if (skip >= bytes.Length || _peerEnded)
            return;
        bytes = bytes[(int)skip..];
        int wrong = Pattern.FirstError(bytes, _port, _received);
        if (wrong >= 0)
            Errors.Add($"Byte {_received + wrong} is wrong.");
        _received += bytes.Length;
        _window = Math.Max(0, _window - bytes.Length);
        if (_window < _mss && _stallUntil == 0)
            _stallUntil = now + _random.Next(1, 400_000);
    }

    private void Transmit(long now)
    {
        while (_open && _next <= _length)
        {
            int count = (int)Math.Min(Math.Min(_length - _next, _mss), _edge - _next);
            if (count < 0 || (count == 0 && _next < _length))
                break;
            bool end = _next + count == _length;
            byte[] bytes = new byte[count];
            Pattern.Fill(bytes, _port, _next);
            Emit(end ? TcpFlags.Fin | TcpFlags.Ack : TcpFlags.Ack, _next, [], bytes, now);
            _next += count + (end ? 1 : 0);
        }
        if (_open && _ackDue)
            Emit(TcpFlags.Ack, _next, SackOption(), [], now);
    }

    private byte[] SackOption()
    {
        if (_ahead.Count == 0)
            return [];
        List<(long Start, long End)> ranges = [];
        foreach ((long at, byte[] bytes) in _ahead)
        {
            if (ranges.Count > 0 && at <= ranges[^1].End)
                ranges[^1] = (ranges[^1].Start, Math.Max(ranges[^1].End, at + bytes.Length));
            else
                ranges.Add((at, at + bytes.Length));
        }
        int count = Math.Min(4, ranges.Count);
        byte[] option = new byte[4 + 8 * count];
        TcpOptions.WriteSackPrefix(option, count);
        for (int i = 0; i < count; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(4 + 8 * i), _peerInitial + 1 + (uint)ranges[i].Start);
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(8 + 8 * i), _peerInitial + 1 + (uint)ranges[i].End);
        }
        return option;
    }

    private void Emit(TcpFlags flags, long offset, byte[] options, byte[] bytes, long now)
    {
        if (flags != TcpFlags.Syn)
            _ackDue = false;
        uint ack = flags == TcpFlags.Syn ? 0 : _peerInitial + 1 + (uint)_received;
        _send(PacketBuilder.Tcp(_source, _port, _destination, PortServices.Echo, _initial + 1 + (uint)offset, ack, flags, _window, options, bytes), now);
    }
}
