using System.Buffers.Binary;
using System.Net.Sockets;

namespace Telepresence.Tunnel.Tests.Stack.Kernel;

/// <summary>What the local program does in the kernel tests.</summary>
internal static class KernelTransfer
{
    public static void Upload(Socket socket, long length)
    {
        byte[] piece = new byte[128 * 1024];
        for (long sent = 0; sent < length;)
        {
            int count = (int)Math.Min(piece.Length, length - sent);
            Pattern.Fill(piece.AsSpan(0, count), PortServices.Seed, sent);
            SendAll(socket, piece.AsSpan(0, count));
            sent += count;
        }
        socket.Shutdown(SocketShutdown.Send);
        byte[] answer = new byte[8];
        ReadExactly(socket, answer);
        Assert.Equal(length, BinaryPrimitives.ReadInt64BigEndian(answer));
        Assert.Equal(0, socket.Receive(answer));
    }

    public static void Download(Socket socket, long length)
    {
        byte[] request = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(request, length);
        SendAll(socket, request);
        Assert.Equal(length, ReadPattern(socket));
    }

    /// <summary>Reads to the end and checks every byte; returns how many there were.</summary>
    public static long ReadPattern(Socket socket)
    {
        byte[] buffer = new byte[128 * 1024];
        long received = 0;
        while (true)
        {
            int count = socket.Receive(buffer);
            if (count == 0)
                return received;
            int wrong = Pattern.FirstError(buffer.AsSpan(0, count), PortServices.Seed, received);
            Assert.True(wrong < 0, $"Byte {received + wrong} is wrong.");
            received += count;
        }
    }

    /// <summary>Sends the pattern to an echo service while reading it back.</summary>
    public static void Echo(Socket socket, long length)
    {
        Exception? failure = null;
        var writer = new Thread(() =>
        {
            try
            {
                byte[] piece = new byte[50_001];
                for (long sent = 0; sent < length;)
                {
                    int count = (int)Math.Min(piece.Length, length - sent);
                    Pattern.Fill(piece.AsSpan(0, count), PortServices.Seed, sent);
                    SendAll(socket, piece.AsSpan(0, count));
                    sent += count;
                }
                socket.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException e)
            {
                failure = e;
            }
        });
        writer.Start();
        long received = ReadPattern(socket);
        writer.Join();
        Assert.Null(failure);
        Assert.Equal(length, received);
    }

    public static void SendAll(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[socket.Send(bytes)..];
    }

    public static void ReadExactly(Socket socket, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = socket.Receive(bytes);
            Assert.NotEqual(0, count);
            bytes = bytes[count..];
        }
    }
}
