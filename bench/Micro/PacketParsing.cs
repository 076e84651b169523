using BenchmarkDotNet.Attributes;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Bench.Micro;

/// <summary>Header views, the flow's hash, and the checksum that offload makes needless.</summary>
[MemoryDiagnoser]
public class PacketParsing
{
    private readonly byte[] _frame = new byte[VirtioNetHeader.Size + 40 + 20 + 65_000];
    private FlowKey _flow;

    [Params(false, true)]
    public bool IPv6 { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        NetAddress source = NetAddress.Parse(IPv6 ? "fd77::1" : "10.77.0.1"), destination = NetAddress.Parse(IPv6 ? "fd77::80" : "10.77.0.80");
        int ip = IPv6
            ? IPv6Header.Write(_frame.AsSpan(10), source, destination, IpProtocol.Tcp, 65_020)
            : IPv4Header.Write(_frame.AsSpan(10), source.IPv4, destination.IPv4, IpProtocol.Tcp, 65_020);
        TcpHeader.Write(_frame.AsSpan(10 + ip), 40_000, 80, 1, 1, TcpFlags.Ack, 1);
        _flow = new FlowKey(source, 40_000, destination, 80);
    }

    [Benchmark]
    public int Headers()
    {
        if (!VirtioNetHeader.TryRead(_frame, out _))
            return -1;
        ReadOnlySpan<byte> packet = _frame.AsSpan(VirtioNetHeader.Size);
        ReadOnlySpan<byte> payload;
        if (IPv6)
        {
            if (!IPv6Header.TryParse(packet, false, out IPv6Header ip)
                || !IPv6Extensions.TryWalk(ip.NextHeader, ip.Payload, 6, out IPv6Extensions extensions))
                return -1;
            payload = ip.Payload[extensions.TransportOffset..];
        }
        else
        {
            if (!IPv4Header.TryParse(packet, out IPv4Header ip) || !ip.IsChecksumValid)
                return -1;
            payload = ip.Payload;
        }
        return TcpHeader.TryParse(payload, out TcpHeader tcp) ? tcp.Payload.Length : -1;
    }

    [Benchmark]
    public int FlowHash() => _flow.GetHashCode();

    [Benchmark]
    public ushort Checksum1460() => Checksum.Fold(Checksum.Add(0, _frame.AsSpan(70, 1_460)));

    [Benchmark]
    public ushort Checksum65000() => Checksum.Fold(Checksum.Add(0, _frame.AsSpan(70, 65_000)));
}
