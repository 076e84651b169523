using System.Net;
using System.Security.Cryptography;
using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Cluster;

/// <summary>A WebSocket's opening handshake (RFC 6455, section 4.1) on a connection of its own.</summary>
internal sealed class WebSocketUpgrade : IDisposable
{
    private const int KeyLength = 16;
    private const string AcceptSalt = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private readonly HttpMessageInvoker _http;
    private readonly string _key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(KeyLength));
    private UpgradeStream? _stream;

    /// <summary>Makes one; nothing is sent yet.</summary>
    /// <param name="socketPath">The server's Unix socket.</param>
    internal WebSocketUpgrade(string socketPath) => _http = new HttpMessageInvoker(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectCallback = (_, _) => ValueTask.FromResult<Stream>(_stream = UpgradeStream.Connect(socketPath)),
    });

    /// <summary>Asks for the upgrade.</summary>
    /// <exception cref="HttpRequestException">There was no answer.</exception>
    internal async Task<HttpResponseMessage> AskAsync(Uri uri, string subprotocol, CancellationToken cancellation)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, uri);
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Add("Upgrade", "websocket");
        request.Headers.Add("Sec-WebSocket-Version", "13");
        request.Headers.Add("Sec-WebSocket-Key", _key);
        request.Headers.Add("Sec-WebSocket-Protocol", subprotocol);
        return await _http.SendAsync(request, cancellation);
    }

    /// <summary>Whether an answer opens the WebSocket that was asked for. A server that names no subprotocol has none but this.</summary>
    internal bool IsOpenedBy(HttpResponseMessage answer, string subprotocol) =>
        answer.StatusCode == HttpStatusCode.SwitchingProtocols && Value(answer, "Sec-WebSocket-Accept") == Accept(_key)
        && (Value(answer, "Sec-WebSocket-Protocol") is not { } chosen || chosen.Equals(subprotocol, StringComparison.OrdinalIgnoreCase));

    /// <summary>The connection, non-blocking; next on it is the server's first frame.</summary>
    internal FileDescriptor Take() => _stream!.Take();

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static string? Value(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out IEnumerable<string>? values) ? string.Join(',', values) : null;

    // The protocol asks for SHA-1, and for nothing that it would have to protect.
#pragma warning disable CA5350
    private static string Accept(string key) => Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + AcceptSalt)));
#pragma warning restore CA5350
}
