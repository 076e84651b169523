using BenchmarkDotNet.Attributes;

using Telepresence.Cli.Cluster;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Bench.Micro;

/// <summary>A session's bytes into a port-forward's messages and out of them. Per operation: one message of <see cref="Size"/> bytes.</summary>
public class PortForwardMessages
{
    private const byte FinalBinary = 0x82, LengthFollows = 126;

    private readonly PortForwardLink _link = new(new FileDescriptor(-1));
    private readonly IoVector[] _vectors = new IoVector[1];
    private byte[] _payload = [];
    private byte[] _message = [];
    private byte[] _wire = [];
    private byte[] _received = [];

    [Params(100, 65_000)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _payload = GC.AllocateArray<byte>(Size, pinned: true);
        _vectors[0] = new IoVector(_payload);
        _message = new byte[_link.MaxMessage + _link.Overhead];
        int length = Size + 1;
        byte[] header = length < LengthFollows ? [FinalBinary, (byte)length] : [FinalBinary, LengthFollows, (byte)(length >> 8), (byte)length];
        _wire = [.. header, 0, .. _payload];
        _received = new byte[_wire.Length];

        // The first message is the port.
        _link.Unwrap([FinalBinary, 3, 0, 0x14, 0x1e]);
    }

    /// <summary>Header, mask and copy.</summary>
    [Benchmark]
    public int Wrap() => _link.Wrap(_vectors, _message);

    /// <summary>Header off, the rest moved to the front.</summary>
    [Benchmark]
    public int Unwrap()
    {
        _wire.CopyTo(_received, 0);
        return _link.Unwrap(_received);
    }
}
