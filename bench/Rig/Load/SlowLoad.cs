using System.Net;
using System.Net.Sockets;

namespace Telepresence.Rig.Load;

/// <summary>Readers that are far slower than what is sent to them, until standard input ends.</summary>
internal static class SlowLoad
{
    private const int BytesPerTurn = 10_000, TurnMilliseconds = 100, Forever = int.MaxValue;

    internal static int Run(IPEndPoint target, int readers)
    {
        List<Socket> sockets = [];
        byte[] head = new byte[BulkRequest.Size];
        new BulkRequest(Download: true, Verify: false, Forever).Write(head);
        for (int i = 0; i < readers; i++)
        {
            Socket socket = Dial.Tcp(target);
            socket.Send(head);
            sockets.Add(socket);
        }

        Console.WriteLine("ready");
        Task ended = Console.In.ReadToEndAsync();
        byte[] buffer = new byte[BytesPerTurn];
        while (!ended.Wait(TurnMilliseconds))
        {
            foreach (Socket socket in sockets)
                socket.Receive(buffer);
        }

        foreach (Socket socket in sockets)
            socket.Dispose();
        return 0;
    }
}
