using System.Net.Sockets;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary><c>agent PATH</c> says a word to everybody who connects to a Unix socket; <c>agent-client PATH</c> prints what is said.</summary>
internal static class AgentHelper
{
    internal static async Task<int> ServeAsync(string path)
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        File.SetUnixFileMode(path, (UnixFileMode)0x1b6);
        listener.Listen();
        while (true)
        {
            using Socket caller = await listener.AcceptAsync();
            await caller.SendAsync("agent"u8.ToArray());
        }
    }

    internal static async Task<int> AskAsync(string path)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        using StreamReader reader = new(new NetworkStream(socket));
        Console.Write(await reader.ReadToEndAsync());
        return 0;
    }
}
