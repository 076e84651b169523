using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;

namespace Telepresence.Preload.Tests.Harness;

/// <summary>The cluster's services, in its namespace: echo and HTTP over TCP, echo over UDP.</summary>
internal sealed class ClusterServers : IDisposable
{
    internal const int EchoPort = 7, NotePort = 11, HttpPort = 80;

    /// <summary>A datagram with this text is answered when a test says so (<see cref="HeldAsync"/>).</summary>
    internal const string Held = "hold";

    internal const string Greeting = "hello\n", Page = "hello from the cluster\n";

    private readonly ClusterNamespace _cluster;
    private readonly List<Socket> _sockets = [];
    private readonly Channel<Action> _held = Channel.CreateUnbounded<Action>();
    private readonly TaskCompletionSource<string> _note = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string _lastNote = "";
    private int _open;

    internal ClusterServers(ClusterNamespace cluster)
    {
        _cluster = cluster;
        foreach (string address in (string[])["10.99.0.1", "fd99::1"])
        {
            Listen(address, EchoPort, EchoAsync);
            Listen(address, HttpPort, ServeHttpAsync);
        }

        foreach (string address in (string[])["10.99.0.1", "10.99.0.2", "fd99::1"])
            _ = EchoDatagramsAsync(Bind(address, EchoPort, SocketType.Dgram));
        _ = TakeNoteAsync(Bind("10.99.0.1", NotePort, SocketType.Dgram));
        Listen("10.99.0.1", NotePort, GiveNoteAsync);
    }

    /// <summary>Connections that the echo service has at present.</summary>
    internal int OpenConnections => Volatile.Read(ref _open);

    /// <summary>Waits for the next datagram that is held; the result answers it.</summary>
    internal Task<Action> HeldAsync() => _held.Reader.ReadAsync().AsTask();

    public void Dispose()
    {
        foreach (Socket socket in _sockets)
            socket.Dispose();
    }

    private Socket Bind(string address, int port, SocketType type)
    {
        Socket socket = _cluster.Run(() =>
        {
            IPAddress parsed = IPAddress.Parse(address);
            Socket made = new(parsed.AddressFamily, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp);
            made.Bind(new IPEndPoint(parsed, port));
            return made;
        });
        _sockets.Add(socket);
        return socket;
    }

    private void Listen(string address, int port, Func<Socket, Task> serve)
    {
        Socket listener = Bind(address, port, SocketType.Stream);
        listener.Listen(512);
        _ = AcceptAsync(listener, serve);
    }

    private static async Task AcceptAsync(Socket listener, Func<Socket, Task> serve)
    {
        try
        {
            while (true)
                _ = ServeAsync(await listener.AcceptAsync(), serve);
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            // The end of the tests.
        }
    }

    private static async Task ServeAsync(Socket socket, Func<Socket, Task> serve)
    {
        using (socket)
        {
            try
            {
                await serve(socket);
            }
            catch (SocketException)
            {
                // The caller has gone.
            }
        }
    }

    private async Task EchoAsync(Socket socket)
    {
        Interlocked.Increment(ref _open);
        try
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(Greeting));
            byte[] buffer = new byte[65536];
            int count;
            while ((count = await socket.ReceiveAsync(buffer)) > 0)
                await socket.SendAsync(buffer.AsMemory(0, count));
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    private static async Task ServeHttpAsync(Socket socket)
    {
        byte[] buffer = new byte[16384];
        StringBuilder request = new();
        while (!request.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            int count = await socket.ReceiveAsync(buffer);
            if (count == 0)
                return;
            request.Append(Encoding.ASCII.GetString(buffer, 0, count));
        }

        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {Page.Length}\r\nConnection: close\r\n\r\n{Page}"));
    }

    private async Task EchoDatagramsAsync(Socket socket)
    {
        byte[] buffer = new byte[65536];
        "echo:"u8.CopyTo(buffer);
        EndPoint any = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        try
        {
            while (true)
            {
                SocketReceiveFromResult got = await socket.ReceiveFromAsync(buffer.AsMemory(5), any);
                byte[] answer = buffer[..(5 + got.ReceivedBytes)];
                if (Encoding.ASCII.GetString(answer) == $"echo:{Held}")
                    await _held.Writer.WriteAsync(() => socket.SendTo(answer, got.RemoteEndPoint));
                else
                    await socket.SendToAsync(answer, got.RemoteEndPoint);
            }
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            // The end of the tests.
        }
    }

    private async Task TakeNoteAsync(Socket socket)
    {
        byte[] buffer = new byte[1024];
        try
        {
            while (true)
            {
                int count = await socket.ReceiveAsync(buffer);
                _lastNote = Encoding.ASCII.GetString(buffer, 0, count);
                _note.TrySetResult(_lastNote);
            }
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            // The end of the tests.
        }
    }

    private async Task GiveNoteAsync(Socket socket)
    {
        await _note.Task.WaitAsync(TimeSpan.FromSeconds(20));
        await socket.SendAsync(Encoding.ASCII.GetBytes(_lastNote));
    }
}
