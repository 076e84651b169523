using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;

namespace Telepresence.Rig.Load;

/// <summary>Sends or receives as much as the path carries, on one or several connections at once, a thread each.</summary>
internal static class BulkLoad
{
    // Heap arrays begin 16 bytes behind an aligned address; page-aligned sources are slow to copy on some CPUs.
    private const int BufferLength = 256 * 1024;

    internal static LoadResult Run(Func<Socket> dial, BulkRequest request, int streams)
    {
        long[] bytes = new long[streams], ends = new long[streams];
        Exception?[] faults = new Exception?[streams];
        long begin = Stopwatch.GetTimestamp();
        Thread[] threads = [.. Enumerable.Range(0, streams).Select(i => new Thread(() =>
        {
            try
            {
                using Socket socket = dial();
                bytes[i] = request.Download ? Download(socket, request, out ends[i]) : Upload(socket, request, out ends[i]);
            }
            catch (Exception fault) when (fault is IOException or SocketException or InvalidDataException)
            {
                faults[i] = fault;
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        if (faults.FirstOrDefault(static fault => fault is not null) is { } first)
            throw new IOException($"A bulk stream broke: {first.Message}", first);

        // Until the last byte had arrived: what a path needs to pass the end on is another matter.
        double seconds = Stopwatch.GetElapsedTime(begin, ends.Max()).TotalSeconds;
        double gigabytes = bytes.Sum() / 1e9;
        return new LoadResult().With("gigabytes", gigabytes).With("gigabytesPerSecond", gigabytes / seconds);
    }

    private static long Upload(Socket socket, BulkRequest request, out long end)
    {
        Pattern pattern = new();
        Span<byte> head = stackalloc byte[BulkRequest.Size];
        request.Write(head);
        socket.Send(head);
        long sent = 0;
        long begin = Stopwatch.GetTimestamp();
        while (request.Timed ? !socket.Poll(0, SelectMode.SelectRead) : Stopwatch.GetElapsedTime(begin).TotalMilliseconds < request.Milliseconds)
        {
            int count = socket.Send(pattern.Peek(BufferLength));
            pattern.Advance(count);
            sent += count;
        }

        if (!request.Timed)
            socket.Shutdown(SocketShutdown.Send);
        Span<byte> answer = stackalloc byte[sizeof(long)];
        Dial.ReceiveAll(socket, answer);
        end = Stopwatch.GetTimestamp();
        long received = BinaryPrimitives.ReadInt64BigEndian(answer);
        if (request.Timed)
            return received;
        return received == sent ? sent : throw new InvalidDataException($"{sent} bytes were sent and {received} arrived.");
    }

    private static long Download(Socket socket, BulkRequest request, out long end)
    {
        end = 0;
        Pattern pattern = new();
        Span<byte> head = stackalloc byte[BulkRequest.Size];
        request.Write(head);
        socket.Send(head);
        byte[] buffer = new byte[BufferLength];
        long received = 0;
        int count;
        while ((count = socket.Receive(buffer)) > 0)
        {
            if (request.Verify)
                pattern.Verify(buffer.AsSpan(0, count));
            received += count;
            end = Stopwatch.GetTimestamp();
        }

        return received;
    }
}
