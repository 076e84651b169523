using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.Rig.Load;

/// <summary>One byte there and back, again and again, on one connection.</summary>
internal static class RoundTripLoad
{
    private const int WarmUp = 200, WarmUpPart = 4;

    internal static LoadResult Run(IPEndPoint target, TimeSpan duration)
    {
        using Socket socket = Dial.Tcp(target);
        long begin = Stopwatch.GetTimestamp();

        // Where round trips are long, so many would outlast the bulk that runs beside them.
        for (int i = 0; i < WarmUp && Stopwatch.GetElapsedTime(begin) < duration / WarmUpPart; i++)
            Dial.RoundTrip(socket);
        Latencies latencies = new();
        begin = Stopwatch.GetTimestamp();
        long before = begin;
        while (Stopwatch.GetElapsedTime(begin, before) < duration)
        {
            Dial.RoundTrip(socket);
            long after = Stopwatch.GetTimestamp();
            latencies.Add(after - before);
            before = after;
        }

        return latencies.Report(Stopwatch.GetElapsedTime(begin, before).TotalSeconds);
    }
}
