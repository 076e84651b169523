using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class SocketBridgeTests : IDisposable
{
    private readonly TestLoop _turns = new();
    private readonly ChunkPool _pool = new();
    private readonly Socket _left;
    private readonly Socket _right;
    private bool _closed;

    public SocketBridgeTests()
    {
        (_left, FileDescriptor first) = Connection();
        (_right, FileDescriptor second) = Connection();
        new SocketBridge(_turns.Loop, _pool, first, second, () => _closed = true).Start();
    }

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
        _turns.Dispose();
    }

    [Fact]
    public void Bytes_pass_both_ways_at_once_and_end_in_order()
    {
        byte[] there = LinkPumpTests.RandomBytes(3_000_000), back = LinkPumpTests.RandomBytes(2_000_000);
        Task<byte[]> atLeft = ReadAllAsync(_left), atRight = ReadAllAsync(_right);
        _ = SendAsync(_left, there);
        _ = SendAsync(_right, back);
        Assert.Equal(SHA256.HashData(there), _turns.Result(atRight));
        Assert.Equal(SHA256.HashData(back), _turns.Result(atLeft));
        _turns.Until(() => _closed);
        Assert.Equal(0, _pool.InUse);
    }

    [Fact]
    public void One_way_may_end_long_before_the_other()
    {
        _left.Shutdown(SocketShutdown.Send);
        Task<byte[]> atRight = ReadAllAsync(_right), atLeft = ReadAllAsync(_left);
        Assert.Equal(SHA256.HashData([]), _turns.Result(atRight));
        Assert.False(_closed);
        _ = SendAsync(_right, "late"u8.ToArray());
        Assert.Equal(SHA256.HashData("late"u8), _turns.Result(atLeft));
        _turns.Until(() => _closed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_reset_passes_as_a_reset(bool afterItsEnd)
    {
        if (afterItsEnd)
        {
            _left.Shutdown(SocketShutdown.Send);
            _turns.Result(ReadAllAsync(_right));
        }

        _left.LingerState = new LingerOption(true, 0);
        _left.Dispose();
        _turns.Until(() => _closed);

        // A peer that has seen the end already learns of the reset when it sends; its kernel calls that a broken pipe. It comes when nobody
        // has the bridge's socket any more: a process that is just being started has a copy.
        _turns.Until(() => !afterItsEnd || _right.Poll(0, SelectMode.SelectError));
        SocketException fault = Assert.Throws<SocketException>(() => _ = afterItsEnd ? _right.Send(new byte[1]) : _right.Receive(new byte[1]));
        Assert.Equal(afterItsEnd ? SocketError.Shutdown : SocketError.ConnectionReset, fault.SocketErrorCode);
    }

    [Fact]
    public void A_receiver_that_does_not_read_holds_the_sender_up()
    {
        _left.Blocking = false;
        int sent = 0, quiet = 0;
        byte[] block = new byte[65536];
        _turns.Until(() =>
        {
            int count = _left.Send(block, SocketFlags.None, out SocketError error);
            sent += error == SocketError.Success ? count : 0;
            quiet = error == SocketError.WouldBlock ? quiet + 1 : 0;
            return quiet > 50;
        });
        Assert.InRange(_pool.InUse, 1, 512 * 1024);

        // And once it does, all of it comes.
        _left.Shutdown(SocketShutdown.Send);
        Task<long> counted = CountAsync(_right);
        Assert.Equal(sent, _turns.Result(counted));
    }

    private static (Socket Peer, FileDescriptor Ours) Connection()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        IPEndPoint address = (IPEndPoint)listener.LocalEndPoint!;
        FileDescriptor ours = SocketOptions.Open(Libc.AF_INET, Libc.SOCK_STREAM)!;
        _ = SocketOptions.Connect(ours, Telepresence.Tunnel.Wire.NetAddress.FromIPAddress(address.Address), (ushort)address.Port);
        return (listener.Accept(), ours);
    }

    private static async Task SendAsync(Socket socket, byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
            sent += await socket.SendAsync(bytes.AsMemory(sent));
        socket.Shutdown(SocketShutdown.Send);
    }

    private static async Task<byte[]> ReadAllAsync(Socket socket)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[65536];
        for (int count; (count = await socket.ReceiveAsync(buffer)) > 0;)
            hash.AppendData(buffer.AsSpan(0, count));
        return hash.GetHashAndReset();
    }

    private static async Task<long> CountAsync(Socket socket)
    {
        long total = 0;
        byte[] buffer = new byte[65536];
        for (int count; (count = await socket.ReceiveAsync(buffer)) > 0;)
            total += count;
        return total;
    }
}
