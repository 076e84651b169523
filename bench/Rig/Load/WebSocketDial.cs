using System.Net.Sockets;
using System.Runtime.InteropServices;

using Telepresence.Cli.Cluster;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Rig.Load;

/// <summary>A port-forward and nothing else: the yardstick for a session that goes through one.</summary>
/// <remarks>The generators want a socket; it is one of a pair, and a thread each way carries what the other has. Both use one framing: only a
/// ping would have them meet there, and no server of the benchmark sends any.</remarks>
/// <param name="kubectl">Socket of a <c>kubectl proxy</c>.</param>
/// <param name="pod">NAMESPACE/POD.</param>
internal sealed unsafe partial class WebSocketDial(string kubectl, string pod)
{
    private const int F_SETFL = 4, BufferLength = 128 * 1024;

    /// <summary>Opens one to a port of the pod.</summary>
    /// <exception cref="IOException">It was not possible.</exception>
    internal Socket Open(int port)
    {
        string[] names = pod.Split('/');
        using KubeClient client = new(() => kubectl, "the practice cluster");
        try
        {
            PortForwardLink link = PortForwardLink.OpenAsync(client, names[0], names[1], port, CancellationToken.None).GetAwaiter().GetResult();
            (Socket near, Socket inner) = Pair();
            Socket outer = Waiting(link.Socket.Take());
            new Thread(() => Carry(() => Down(link, outer, inner))) { IsBackground = true }.Start();
            new Thread(() => Carry(() => Up(link, outer, inner))) { IsBackground = true }.Start();
            return near;
        }
        catch (KubeException refusal)
        {
            throw new IOException(refusal.Message, refusal);
        }
    }

    // The end of one direction ends both: the generator's socket says so to whoever uses it.
    private static void Carry(Action direction)
    {
        try
        {
            direction();
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // The load is over.
        }
    }

    private static void Down(PortForwardLink link, Socket outer, Socket inner)
    {
        byte[] buffer = new byte[BufferLength];
        while (link.End is null && outer.Receive(buffer) is > 0 and int count)
        {
            int length = link.Unwrap(buffer.AsSpan(0, count));
            for (int sent = 0; sent < length;)
                sent += inner.Send(buffer.AsSpan(sent, length - sent));
        }

        inner.Shutdown(SocketShutdown.Both);
    }

    private static void Up(PortForwardLink link, Socket outer, Socket inner)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(link.MaxMessage, pinned: true), message = new byte[link.MaxMessage + link.Overhead];
        while (inner.Receive(buffer) is > 0 and int count)
        {
            int length = link.Wrap([new IoVector(buffer.AsSpan(0, count))], message);
            for (int sent = 0; sent < length;)
                sent += outer.Send(message.AsSpan(sent, length - sent));
        }

        outer.Shutdown(SocketShutdown.Both);
    }

    // The generators, and the threads here, wait in system calls.
    private static (Socket Near, Socket Inner) Pair()
    {
        int* pair = stackalloc int[2];
        return Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) == 0
            ? (new Socket(new SafeSocketHandle(pair[0], ownsHandle: true)), new Socket(new SafeSocketHandle(pair[1], ownsHandle: true)))
            : throw Libc.Failure("socketpair");
    }

    private static Socket Waiting(int descriptor) => fcntl(descriptor, F_SETFL, 0) == 0
        ? new Socket(new SafeSocketHandle(descriptor, ownsHandle: true))
        : throw new IOException("The link's socket cannot be made a blocking one.");

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command, int argument);
}
