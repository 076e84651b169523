using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

using Telepresence.Rig.Load;

namespace Telepresence.Rig.Server;

/// <summary>The far end of <see cref="BulkLoad"/>: a thread for each connection.</summary>
internal static class BulkServer
{
    private const int BufferLength = 256 * 1024;

    internal static void Start(int port)
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Any, port));
        listener.Listen(128);
        new Thread(() =>
        {
            while (true)
            {
                Socket connection = listener.Accept();
                new Thread(() => Serve(connection)).Start();
            }
        }).Start();
    }

    private static void Serve(Socket socket)
    {
        using (socket)
        {
            try
            {
                Span<byte> head = stackalloc byte[BulkRequest.Size];
                Dial.ReceiveAll(socket, head);
                BulkRequest request = BulkRequest.Read(head);
                if (request.Download)
                    Send(socket, request);
                else
                    Receive(socket, request);
            }
            catch (Exception fault) when (fault is SocketException or IOException or InvalidDataException)
            {
                // The client sees its connection end without an answer and reports it.
                Console.Error.WriteLine($"bulk: {fault.Message}");
            }
        }
    }

    private static void Send(Socket socket, BulkRequest request)
    {
        Pattern pattern = new();
        long begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin).TotalMilliseconds < request.Milliseconds)
            pattern.Advance(socket.Send(pattern.Peek(BufferLength)));
        socket.Shutdown(SocketShutdown.Send);
        socket.Receive(new byte[1]);
    }

    private static void Receive(Socket socket, BulkRequest request)
    {
        Pattern pattern = new();
        byte[] buffer = new byte[BufferLength];
        long received = 0;
        int count;
        long begin = Stopwatch.GetTimestamp();
        while (!(request.Timed && Stopwatch.GetElapsedTime(begin).TotalMilliseconds >= request.Milliseconds) && (count = socket.Receive(buffer)) > 0)
        {
            if (request.Verify)
                pattern.Verify(buffer.AsSpan(0, count));
            received += count;
        }

        byte[] answer = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(answer, received);
        socket.Send(answer);

        // Closing on bytes that nobody has read would reset the connection, and the answer with it.
        while (request.Timed && socket.Receive(buffer) > 0)
        {
        }
    }
}
