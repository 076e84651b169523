using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.Rig.Load;

/// <summary>Connect, one byte there and back, close: by one thread for the time it takes, by several for the rate.</summary>
internal static class ConnectLoad
{
    private const int WarmUp = 20;

    internal static LoadResult Run(IPEndPoint target, TimeSpan duration, int threads)
    {
        for (int i = 0; i < WarmUp; i++)
            Once(target);
        Latencies[] latencies = [.. Enumerable.Range(0, threads).Select(static _ => new Latencies())];
        int failures = 0;
        long begin = Stopwatch.GetTimestamp();
        Thread[] workers = [.. latencies.Select(own => new Thread(() =>
        {
            long before = Stopwatch.GetTimestamp();
            while (Stopwatch.GetElapsedTime(begin, before) < duration)
            {
                try
                {
                    Once(target);
                    own.Add(Stopwatch.GetTimestamp() - before);
                }
                catch (Exception fault) when (fault is SocketException or IOException)
                {
                    Interlocked.Increment(ref failures);
                }

                before = Stopwatch.GetTimestamp();
            }
        }))];
        foreach (Thread worker in workers)
            worker.Start();
        foreach (Thread worker in workers)
            worker.Join();
        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        Latencies all = new();
        foreach (Latencies own in latencies)
            all.AddRange(own);
        return all.Report(seconds).With("failures", failures);
    }

    private static void Once(IPEndPoint target)
    {
        using Socket socket = Dial.Tcp(target);
        Dial.RoundTrip(socket);
    }
}
