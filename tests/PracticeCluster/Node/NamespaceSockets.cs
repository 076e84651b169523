using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Makes sockets that belong to another network namespace; a socket keeps the namespace it was made in.</summary>
internal static class NamespaceSockets
{
    private const int StreamCloseOnExec = 1 | 0x80000;

    // What is resolved now need not be resolved by a thread that is in a foreign namespace.
    static NamespaceSockets() => Marshal.PrelinkAll(typeof(Native));

    /// <summary>A new, unbound TCP socket in the namespace of <paramref name="networkPath"/> (a /proc/PID/ns/net).</summary>
    internal static Socket Open(string networkPath, AddressFamily family)
    {
        int linuxFamily = family == AddressFamily.InterNetwork ? 2 : 10;
        int fd = -1;
        string? failure = null;
        // A thread of its own: should the way back fail, no other work is caught in the foreign namespace.
        var thread = new Thread(() =>
        {
            int own = Native.Open("/proc/thread-self/ns/net", Native.CloseOnExec, 0);
            int target = Native.Open(networkPath, Native.CloseOnExec, 0);
            if (target < 0)
                failure = "the network namespace is gone";
            else if (Native.SetNamespace(target, Native.NewNetwork) != 0)
                failure = "cannot enter the network namespace";
            else
            {
                fd = Native.Socket(linuxFamily, StreamCloseOnExec, 0);
                _ = Native.SetNamespace(own, Native.NewNetwork);
            }

            _ = Native.Close(target);
            _ = Native.Close(own);
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
            throw new NodeException(failure);
        Native.Check(fd, "cannot make a socket");
        return new Socket(new SafeSocketHandle(fd, ownsHandle: true));
    }

    /// <summary>Connects from inside the namespace.</summary>
    internal static async Task<Socket> ConnectAsync(string networkPath, IPEndPoint endpoint, CancellationToken cancel)
    {
        Socket socket = Open(networkPath, endpoint.AddressFamily);
        try
        {
            socket.NoDelay = true;
            await socket.ConnectAsync(endpoint, cancel);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Listens inside the namespace.</summary>
    internal static Socket Listen(string networkPath, IPEndPoint endpoint)
    {
        Socket socket = Open(networkPath, endpoint.AddressFamily);
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            if (endpoint.AddressFamily == AddressFamily.InterNetworkV6)
                socket.DualMode = false;
            socket.Bind(endpoint);
            socket.Listen(512);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
