using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

using Telepresence.Proxy;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Holder.Tests.World;

/// <summary>
/// A pod in a network namespace of its own, with the cluster's addresses on its loopback: the proxy, reached through a Unix socket as
/// through a port-forward; a web server; a server that echoes datagrams; a name server.
/// </summary>
internal static class PodHelper
{
    internal static readonly byte[] Key = SHA256.HashData("a test's session key"u8);

    /// <summary>Addresses on the pod's loopback.</summary>
    internal const string NameServer = "10.96.0.10", Web = "10.96.5.5", Echo = "10.96.5.6", PodAddress = "10.244.0.7";

    internal const int EchoPort = 5000;

    private static readonly Dictionary<string, string> Names = new()
    {
        ["web.default.svc.cluster.local"] = Web,
        ["echo.other.svc.cluster.local"] = Echo,
        ["www.example.com"] = Web,
    };

    internal static async Task<int> RunAsync(string directory)
    {
        using EventLoop loop = new();
        ProxySettings settings = ProxySettings.Read(static name => name == ProxySettings.KeyHashVariable ? Convert.ToHexStringLower(SHA256.HashData(Key)) : null);
        ProxyHost host = new(loop, settings, "1.0.0", [new TargetAddress(NetAddress.Parse(NameServer), 53)], static _ => { });
        host.Listen(0);
        Task running = loop.Start("proxy");
        _ = ServeWebAsync(new System.Net.Sockets.TcpListener(IPAddress.Parse(Web), 80));
        _ = EchoAsync(new UdpClient(new IPEndPoint(IPAddress.Parse(Echo), EchoPort)));
        _ = ServeNamesAsync(new UdpClient(new IPEndPoint(IPAddress.Parse(NameServer), 53)));
        _ = ForwardPortAsync(Path.Combine(directory, "pod.sock"), host.Port);
        Console.WriteLine("ready");
        await running;
        return 0;
    }

    private static async Task ForwardPortAsync(string path, int port)
    {
        using Socket door = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        door.Bind(new UnixDomainSocketEndPoint(path));
        door.Listen();
        File.SetUnixFileMode(path, (UnixFileMode)0x1b6);
        while (true)
        {
            Socket near = await door.AcceptAsync();
            Socket far = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await far.ConnectAsync(IPAddress.Loopback, port);
            _ = CopyAsync(near, far);
            _ = CopyAsync(far, near);
        }
    }

    private static async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[65536];
        try
        {
            for (int count; (count = await from.ReceiveAsync(buffer)) > 0;)
                await to.SendAsync(buffer.AsMemory(0, count));
        }
        catch (SocketException)
        {
            // The session ended.
        }

        from.Dispose();
        to.Dispose();
    }

    private static async Task ServeWebAsync(System.Net.Sockets.TcpListener listener)
    {
        listener.Start();
        while (true)
        {
            using TcpClient client = await listener.AcceptTcpClientAsync();
            NetworkStream stream = client.GetStream();
            _ = await stream.ReadAsync(new byte[4096]);
            await stream.WriteAsync("HTTP/1.0 200 OK\r\nContent-Length: 17\r\n\r\nfrom the cluster\n"u8.ToArray());
        }
    }

    private static async Task EchoAsync(UdpClient socket)
    {
        while (true)
        {
            UdpReceiveResult datagram = await socket.ReceiveAsync();
            await socket.SendAsync(datagram.Buffer, datagram.RemoteEndPoint);
        }
    }

    private static async Task ServeNamesAsync(UdpClient socket)
    {
        while (true)
        {
            UdpReceiveResult query = await socket.ReceiveAsync();
            await socket.SendAsync(Answer(query.Buffer), query.RemoteEndPoint);
        }
    }

    // One question, at most one answer; RFC 1035 §4.1.
    private static byte[] Answer(byte[] query)
    {
        List<string> labels = [];
        int at = 12;
        for (; query[at] != 0; at += query[at] + 1)
            labels.Add(Encoding.ASCII.GetString(query, at + 1, query[at]));
        int type = (query[at + 1] << 8) | query[at + 2];
        byte[] question = query[..(at + 5)];
        bool known = Names.TryGetValue(string.Join('.', labels).ToLowerInvariant(), out string? address);
        bool answered = known && type == 1;
        question[2] = 0x81;
        question[3] = (byte)(known ? 0x80 : 0x83);
        question[7] = (byte)(answered ? 1 : 0);
        question[9] = question[11] = 0;
        return answered ? [.. question, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, .. IPAddress.Parse(address!).GetAddressBytes()] : question;
    }
}
