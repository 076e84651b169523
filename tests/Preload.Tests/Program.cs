using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Telepresence.Preload.Tests;

/// <summary>What a .NET program does behind the shim. The test runner uses the assembly as a library.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        if (arguments is not ["probe"])
            return 2;
        using HttpClient http = new();
        Console.Write(await http.GetStringAsync(new Uri("http://web/")));
        Console.WriteLine((await System.Net.Dns.GetHostAddressesAsync("web.default", AddressFamily.InterNetwork))[0]);
        using UdpClient udp = new(AddressFamily.InterNetwork);
        await udp.SendAsync(Encoding.ASCII.GetBytes("datagram"), new IPEndPoint(IPAddress.Parse("10.99.0.1"), 7));
        UdpReceiveResult answer = await udp.ReceiveAsync();
        Console.WriteLine($"{Encoding.ASCII.GetString(answer.Buffer)} from {answer.RemoteEndPoint}");
        using TcpClient tcp = new();
        try
        {
            await tcp.ConnectAsync("10.99.0.1", 9);
        }
        catch (SocketException fault)
        {
            Console.WriteLine($"refused: {fault.SocketErrorCode}");
        }

        return 0;
    }
}
