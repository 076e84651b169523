using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>A name server on one loopback port, UDP and TCP, that answers each query with what a function makes of it.</summary>
internal sealed class FakeNameServer : IDisposable
{
    private readonly Socket _udp;
    private readonly Socket _tcp;
    private readonly Func<byte[], byte[]?> _overUdp;
    private readonly Func<byte[], byte[]?>? _overTcp;
    private int _queries;

    internal FakeNameServer(Func<byte[], byte[]?> overUdp, Func<byte[], byte[]?>? overTcp = null)
    {
        _overUdp = overUdp;
        _overTcp = overTcp;
        (_udp, _tcp) = BindBoth();
        _ = ServeUdpAsync();
        if (overTcp is null)
            return;
        _tcp.Listen();
        _ = ServeTcpAsync();
    }

    internal ushort Port => (ushort)((IPEndPoint)_udp.LocalEndPoint!).Port;

    /// <summary>How many came over UDP.</summary>
    internal int Queries => Volatile.Read(ref _queries);

    /// <summary>A query for <paramref name="name"/>, type A.</summary>
    internal static byte[] Query(ushort id, string name)
    {
        List<byte> message = [(byte)(id >> 8), (byte)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        foreach (string label in name.Split('.'))
        {
            message.Add((byte)label.Length);
            message.AddRange(System.Text.Encoding.ASCII.GetBytes(label));
        }

        message.AddRange([0, 0, 1, 0, 1]);
        return [.. message];
    }

    /// <summary>The query as an answer: QR set, flags and rcode as given, a tail behind it.</summary>
    internal static byte[] Answer(byte[] query, int rcode = 0, bool truncated = false, byte[]? tail = null)
    {
        byte[] answer = [.. query, .. tail ?? []];
        answer[2] |= (byte)(0x80 | (truncated ? 2 : 0));
        answer[3] = (byte)(0x80 | rcode);
        return answer;
    }

    public void Dispose()
    {
        _udp.Dispose();
        _tcp.Dispose();
    }

    // A number that is free for one protocol may be taken for the other, by any connection of a test that runs beside this one.
    private static (Socket Udp, Socket Tcp) BindBoth()
    {
        while (true)
        {
            Socket tcp = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            Socket udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            try
            {
                tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
                udp.Bind(tcp.LocalEndPoint!);
                return (udp, tcp);
            }
            catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                tcp.Dispose();
                udp.Dispose();
            }
        }
    }

    private async Task ServeUdpAsync()
    {
        byte[] buffer = new byte[65_536];
        try
        {
            while (true)
            {
                SocketReceiveFromResult from = await _udp.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                Interlocked.Increment(ref _queries);
                if (_overUdp(buffer[..from.ReceivedBytes]) is { } answer)
                    await _udp.SendToAsync(answer, from.RemoteEndPoint);
            }
        }
        catch (Exception end) when (IsTheEnd(end))
        {
        }
    }

    private async Task ServeTcpAsync()
    {
        try
        {
            while (true)
            {
                using Socket connection = await _tcp.AcceptAsync();
                try
                {
                    await AnswerAsync(connection);
                }
                catch (IOException)
                {
                    // This client is gone; the next one is served.
                }
            }
        }
        catch (Exception end) when (IsTheEnd(end))
        {
        }
    }

    private async Task AnswerAsync(Socket connection)
    {
        using NetworkStream stream = new(connection);
        byte[] prefix = new byte[2];
        await stream.ReadExactlyAsync(prefix);
        byte[] query = new byte[BinaryPrimitives.ReadUInt16BigEndian(prefix)];
        await stream.ReadExactlyAsync(query);
        if (_overTcp!(query) is not { } answer)
            return;
        BinaryPrimitives.WriteUInt16BigEndian(prefix, (ushort)answer.Length);

        // In pieces, so that a reader who expects one would fail.
        await stream.WriteAsync(prefix.AsMemory(0, 1));
        await stream.WriteAsync((byte[])[prefix[1], .. answer[..5]]);
        await stream.WriteAsync(answer.AsMemory(5));
    }

    // The test is over and the sockets are closed.
    private static bool IsTheEnd(Exception end) => end is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted };
}
