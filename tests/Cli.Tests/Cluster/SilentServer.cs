using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Telepresence.Cli.Tests.Cluster;

/// <summary>Takes a request on a Unix socket, says one thing, whole or not, and then nothing more.</summary>
internal sealed class SilentServer : IAsyncDisposable
{
    private const string KeyHeader = "Sec-WebSocket-Key: ", Salt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("silent-");
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _answer;
    private readonly Task _serving;
    private readonly SemaphoreSlim _answered = new(0), _closed = new(0);

    /// <param name="answer">What it says; <c>{accept}</c> in it is what a WebSocket's handshake wants.</param>
    internal SilentServer(string answer)
    {
        _answer = answer;
        _listener.Bind(new UnixDomainSocketEndPoint(Path));
        _listener.Listen();
        _serving = ServeAsync();
    }

    internal string Path => System.IO.Path.Combine(_directory.FullName, "s.sock");

    /// <summary>Ends when a client has been told all that there is.</summary>
    internal Task AnsweredAsync() => _answered.WaitAsync();

    /// <summary>Ends when a client has closed its connection.</summary>
    internal Task ClosedAsync() => _closed.WaitAsync();

    /// <summary>Ends when the last client has closed its connection.</summary>
    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _serving.WaitAsync(Patience);
        _directory.Delete(recursive: true);
        _answered.Dispose();
        _closed.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            Socket connection;
            try
            {
                connection = await _listener.AcceptAsync();
            }
            catch (Exception end) when (end is SocketException or ObjectDisposedException)
            {
                // The test is over.
                return;
            }

            using (connection)
                await AnswerAsync(connection);
            _closed.Release();
        }
    }

    // Ends with the client's connection, which is reset when the answer was not read to its end.
    private async Task AnswerAsync(Socket connection)
    {
        byte[] buffer = new byte[4096];
        StringBuilder request = new();
        try
        {
            while (!request.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
            {
                if (await connection.ReceiveAsync(buffer.AsMemory()) is not (> 0 and int count))
                    return;
                request.Append(Encoding.ASCII.GetString(buffer, 0, count));
            }

            string key = request.ToString().Split("\r\n").Single(static line => line.StartsWith(KeyHeader, StringComparison.Ordinal))[KeyHeader.Length..];
            await connection.SendAsync(Encoding.ASCII.GetBytes(_answer.Replace("{accept}", Accept(key), StringComparison.Ordinal)).AsMemory());
            _answered.Release();
            Assert.Equal(0, await connection.ReceiveAsync(buffer.AsMemory()));
        }
        catch (SocketException reset) when (reset.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
        {
            // The client is gone.
        }
    }

    // What RFC 6455 asks for.
#pragma warning disable CA5350
    private static string Accept(string key) => Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + Salt)));
#pragma warning restore CA5350
}
