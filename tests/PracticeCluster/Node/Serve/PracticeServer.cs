using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.PracticeCluster.Node;

/// <summary>
/// The program behind the images practice/httpd, practice/echo and hello-world, and the outside web server:
/// <c>serve [--address IP]... [--http PORT] [--echo PORT] [--text TEXT]</c>. HTTP answers are described at
/// <see cref="HttpAnswers"/>; the echo port answers TCP and UDP.
/// </summary>
internal static class PracticeServer
{
    internal const string DotnetMount = "/opt/dotnet";
    internal const string ProgramMount = "/opt/practice";

    /// <summary>Where the runtime and this program lie.</summary>
    internal readonly record struct Place(string Dotnet, string Program);

    internal static Place Here { get; } = new(
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "../../..")),
        Path.GetDirectoryName(typeof(PracticeServer).Assembly.Location)!);

    internal static Place InImage { get; } = new(DotnetMount, ProgramMount);

    internal static string[] Command(Place place, params string[] arguments) =>
        [$"{place.Dotnet}/dotnet", $"{place.Program}/{Path.GetFileName(typeof(PracticeServer).Assembly.Location)}", "serve", .. arguments];

    internal static async Task<int> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancel)
    {
        var addresses = new List<IPAddress>();
        var http = new List<int>();
        var echo = new List<int>();
        string text = "practice\n";
        for (int i = 0; i + 1 < arguments.Count; i += 2)
        {
            string value = arguments[i + 1];
            switch (arguments[i])
            {
                case "--address":
                    addresses.Add(IPAddress.Parse(value));
                    break;
                case "--http":
                    http.Add(int.Parse(value, CultureInfo.InvariantCulture));
                    break;
                case "--echo":
                    echo.Add(int.Parse(value, CultureInfo.InvariantCulture));
                    break;
                case "--text":
                    text = value + "\n";
                    break;
                default:
                    await Console.Error.WriteLineAsync($"serve: unknown option {arguments[i]}");
                    return 2;
            }
        }

        if (addresses.Count == 0)
            addresses.Add(IPAddress.IPv6Any);
        var answers = new HttpAnswers(text);
        var running = new List<Task>();
        foreach (IPAddress address in addresses)
        {
            running.AddRange(http.Select(port => AcceptAsync(new IPEndPoint(address, port), answers.ServeAsync, cancel)));
            running.AddRange(echo.Select(port => AcceptAsync(new IPEndPoint(address, port), EchoAsync, cancel)));
            running.AddRange(echo.Select(port => EchoDatagramsAsync(new IPEndPoint(address, port), cancel)));
        }

        await (await Task.WhenAny(running));
        return 0;
    }

    private static async Task AcceptAsync(IPEndPoint endpoint, Func<Socket, CancellationToken, Task> serve, CancellationToken cancel)
    {
        using Socket listener = Make(endpoint, SocketType.Stream);
        listener.Listen(512);
        while (true)
        {
            Socket socket = await listener.AcceptAsync(cancel);
            _ = Task.Run(() => ServeOneAsync(socket, serve, cancel), cancel);
        }
    }

    private static async Task ServeOneAsync(Socket socket, Func<Socket, CancellationToken, Task> serve, CancellationToken cancel)
    {
        using (socket)
        {
            try
            {
                socket.NoDelay = true;
                await serve(socket, cancel);
            }
            catch (SocketException)
            {
                // The peer has gone; that ends this connection and no other.
            }
        }
    }

    private static async Task EchoAsync(Socket socket, CancellationToken cancel)
    {
        byte[] buffer = new byte[65536];
        int read;
        while ((read = await socket.ReceiveAsync(buffer, cancel)) > 0)
        {
            for (int sent = 0; sent < read;)
                sent += await socket.SendAsync(buffer.AsMemory(sent, read - sent), cancel);
        }

        socket.Shutdown(SocketShutdown.Send);
    }

    private static async Task EchoDatagramsAsync(IPEndPoint endpoint, CancellationToken cancel)
    {
        using Socket socket = Make(endpoint, SocketType.Dgram);
        byte[] buffer = new byte[65536];
        while (true)
        {
            SocketReceiveFromResult received = await socket.ReceiveFromAsync(buffer, endpoint, cancel);
            await socket.SendToAsync(buffer.AsMemory(0, received.ReceivedBytes), received.RemoteEndPoint, cancel);
        }
    }

    private static Socket Make(IPEndPoint endpoint, SocketType type)
    {
        var socket = new Socket(endpoint.AddressFamily, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp);
        if (endpoint.AddressFamily == AddressFamily.InterNetworkV6)
            socket.DualMode = endpoint.Address.Equals(IPAddress.IPv6Any);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        socket.Bind(endpoint);
        return socket;
    }
}
