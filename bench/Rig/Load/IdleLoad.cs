using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.Rig.Load;

/// <summary>Opens many connections one after another, a byte there and back on each, and holds them until standard input ends.</summary>
internal static class IdleLoad
{
    internal static int Run(IPEndPoint target, int count)
    {
        List<Socket> sockets = new(count);
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            Socket socket = Dial.Tcp(target);
            Dial.RoundTrip(socket);
            sockets.Add(socket);
        }

        Console.WriteLine(new LoadResult().With("seconds", Stopwatch.GetElapsedTime(begin).TotalSeconds).With("connections", sockets.Count).ToJson());
        Console.In.ReadToEnd();
        foreach (Socket socket in sockets)
            socket.Dispose();
        return 0;
    }
}
