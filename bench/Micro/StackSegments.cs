using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Bench.Micro;

/// <summary>
/// One turn of the stack without a device: a frame of the local program in with its acknowledgment out, and an answer out with its
/// acknowledgment in. What a real turn adds are the two system calls.
/// </summary>
[MemoryDiagnoser]
public class StackSegments : IPacketOutput, IFlowHandler, ITcpHandler
{
    private const int Ip = 20;

    private readonly NetAddress _source = NetAddress.Parse("10.77.0.1"), _destination = NetAddress.Parse("10.77.0.80");
    private readonly byte[] _last = new byte[128];
    private readonly byte[] _data = new byte[65_480];
    private byte[] _frame = [];
    private byte[] _datagram = [];
    private NetworkStack _stack = null!;
    private TcpConnection _connection = null!;
    private uint _sequence, _acknowledgment;
    private long _now;

    [Params(100, 65_480)]
    public int Bytes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _frame = new byte[10 + Ip + 20 + Bytes];
        _stack = new NetworkStack(new StackOptions(), new ChunkPool(), this, this);
        Write(TcpFlags.Syn, 0);
        _sequence = 1;
        _acknowledgment = BinaryPrimitives.ReadUInt32BigEndian(_last.AsSpan(10 + Ip + 4)) + 1;
        Write(TcpFlags.Ack, 0);
        _datagram = new byte[10 + Ip + 8 + 512];
        new VirtioNetHeader(VirtioNetHeader.NeedsChecksum, 0, 0, 0, Ip, 6).Write(_datagram);
        IPv4Header.Write(_datagram.AsSpan(10), _source.IPv4, _destination.IPv4, IpProtocol.Udp, 8 + 512);
        UdpHeader.Write(_datagram.AsSpan(10 + Ip), 5_000, 53, 512);
    }

    /// <summary>Frame in, delivered, acknowledged.</summary>
    [Benchmark]
    public void SegmentIn()
    {
        _now += 10;
        Write(TcpFlags.Ack, Bytes);
        _sequence += (uint)Bytes;
    }

    /// <summary>Bytes copied into the queue, sent, acknowledged, released.</summary>
    [Benchmark]
    public void SegmentOut()
    {
        _now += 10;
        _connection.Send(_data.AsSpan(0, Bytes), _now);
        _stack.Flush(_now);
        _acknowledgment += (uint)Bytes;
        Write(TcpFlags.Ack, 0);
    }

    /// <summary>A datagram in and its answer out.</summary>
    [Benchmark]
    public void Datagram() => _stack.Receive(_datagram, _now);

    /// <inheritdoc/>
    public bool Send(ReadOnlySpan<IoVector> vectors)
    {
        vectors[0].Span.CopyTo(_last);
        return true;
    }

    /// <inheritdoc/>
    public void OnTcpOpen(TcpConnection connection, long now)
    {
        _connection = connection;
        connection.Handler = this;
        connection.SetReceiveSpace(1 << 20);
        connection.Accept(now);
    }

    /// <inheritdoc/>
    public void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now) => connection.SetReceiveSpace(1 << 20);

    /// <inheritdoc/>
    public void OnDatagram(in FlowKey flow, ReadOnlySpan<byte> payload, long now) => _stack.SendDatagram(flow, payload, now);

    /// <inheritdoc/>
    public void OnSendSpace(TcpConnection connection, int acknowledged, long now) { }

    /// <inheritdoc/>
    public void OnEcho(in EchoRequest request, long now) { }

    /// <inheritdoc/>
    public void OnEnd(TcpConnection connection, long now) { }

    /// <inheritdoc/>
    public void OnReset(TcpConnection connection, long now) => throw new InvalidOperationException("The connection was reset.");

    /// <inheritdoc/>
    public void OnClosed(TcpConnection connection, long now) => throw new InvalidOperationException("The connection was closed.");

    private void Write(TcpFlags flags, int length)
    {
        new VirtioNetHeader(VirtioNetHeader.NeedsChecksum, 0, 0, 0, Ip, 16).Write(_frame);
        IPv4Header.Write(_frame.AsSpan(10), _source.IPv4, _destination.IPv4, IpProtocol.Tcp, 20 + length);
        TcpHeader.Write(_frame.AsSpan(10 + Ip), 40_000, 80, _sequence, _acknowledgment, flags, 65_535);
        _stack.Receive(_frame.AsSpan(0, 10 + Ip + 20 + length), _now);
        _stack.Flush(_now);
    }
}
