using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// A small typed client of the Kubernetes API, spoken as plain HTTP over the Unix socket of <c>kubectl proxy</c>.
/// </summary>
/// <remarks>Every method throws <see cref="KubeException"/> when the server or the way to it refuses.</remarks>
internal sealed class KubeClient : IDisposable
{
    private static readonly TimeSpan DefaultLimit = TimeSpan.FromSeconds(15);
    private static readonly Uri Base = new("http://localhost");

    private readonly HttpMessageInvoker _http;
    private readonly Func<string> _socketPath;
    private readonly string _server;
    private readonly Func<string> _proxyError;
    private readonly TimeSpan _limit;
    private TimeSpan _ahead;

    /// <summary>Makes a client; nothing is sent yet.</summary>
    /// <param name="socketPath">Gives the Unix socket's path at each new connection.</param>
    /// <param name="server">URL of the API server behind it, for messages.</param>
    /// <param name="proxyError">What the proxy in between has written to standard error so far.</param>
    /// <param name="limit">How long to wait for an answer; 15 seconds by default.</param>
    internal KubeClient(Func<string> socketPath, string server, Func<string>? proxyError = null, TimeSpan? limit = null)
    {
        _socketPath = socketPath;
        _server = server;
        _proxyError = proxyError ?? (static () => "");
        _limit = limit ?? DefaultLimit;
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectCallback = async (_, cancellation) =>
            {
                Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath()), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        });
    }

    /// <summary>The time by the API server's clock, as its last answer told it: the one clock that several laptops share.</summary>
    internal DateTimeOffset ServerTime => DateTimeOffset.UtcNow + _ahead;

    /// <summary>Reads an object or a list.</summary>
    internal async Task<T> GetAsync<T>(KubeRequest request, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await SendAsync(request, body: null, cancellation);
        return await ReadAsync(request, answer, type, cancellation);
    }

    /// <summary>Sends an object and reads what the server made of it.</summary>
    internal async Task<T> SendAsync<T>(KubeRequest request, T body, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await SendAsync(request, JsonSerializer.SerializeToUtf8Bytes(body, type), cancellation);
        return await ReadAsync(request, answer, type, cancellation);
    }

    /// <summary>Deletes an object. One that is gone already is as good.</summary>
    internal Task DeleteAsync(KubeRequest request, CancellationToken cancellation) => DeleteAsync(request, uid: null, cancellation);

    /// <summary>Deletes the object that was looked at, and not another one that has its name by now. One that is gone already is as good.</summary>
    /// <param name="request">The deletion.</param>
    /// <param name="uid">The object's identifier; null for whatever is there.</param>
    /// <param name="cancellation">Stops waiting.</param>
    internal async Task DeleteAsync(KubeRequest request, string? uid, CancellationToken cancellation)
    {
        byte[]? options = uid is null ? null : JsonSerializer.SerializeToUtf8Bytes(new DeleteOptions(new Preconditions(uid)), KubeJson.Default.DeleteOptions);
        try
        {
            using HttpResponseMessage answer = await SendAsync(request, options, cancellation);
        }
        catch (KubeException fault) when (fault.IsNotFound || (uid is not null && fault.Status == (int)HttpStatusCode.Conflict))
        {
            // Gone already.
        }
    }

    /// <summary>Reads plain text, such as a pod's log.</summary>
    internal async Task<string> ReadTextAsync(KubeRequest request, CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await SendAsync(request, body: null, cancellation);
        return await answer.Content.ReadAsStringAsync(cancellation);
    }

    /// <summary>Watches: first every object that exists, then every change, until the server ends the watch.</summary>
    /// <returns>The kind of change (<c>ADDED</c>, <c>MODIFIED</c>, <c>DELETED</c>) and the object.</returns>
    internal async IAsyncEnumerable<(string Type, T Object)> WatchAsync<T>(KubeRequest request, JsonTypeInfo<T> type, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await SendAsync(request, body: null, cancellation);
        using StreamReader lines = new(await answer.Content.ReadAsStreamAsync(cancellation));
        while (await ReadLineAsync(request, lines, cancellation) is string line)
        {
            WatchEvent<JsonElement> change = ReadChange(request, line);
            if (change.Type == "ERROR")
            {
                KubeStatus? status = change.Object.Deserialize(KubeJson.Default.KubeStatus);
                throw KubeFailure.FromAnswer(request, status?.Code ?? 500, change.Object.GetRawText(), _server);
            }

            if (change.Type != "BOOKMARK")
                yield return (change.Type, change.Object.Deserialize(type)!);
        }
    }

    // What stands between here and the API server (a gateway's page to log in) may answer in its place.
    private WatchEvent<JsonElement> ReadChange(KubeRequest request, string line)
    {
        try
        {
            if (JsonSerializer.Deserialize(line, KubeJson.Default.WatchEventJsonElement) is { } change)
                return change;
        }
        catch (JsonException)
        {
            // Below.
        }

        throw KubeFailure.FromAnswer(request, status: 200, line, _server);
    }

    /// <summary>Opens a WebSocket.</summary>
    /// <param name="request">What to open.</param>
    /// <param name="subprotocol">The WebSocket subprotocol.</param>
    /// <param name="cancellation">Ends the attempt, which is limited in time in any case.</param>
    /// <returns>Its socket, non-blocking; next on it is the server's first frame.</returns>
    internal async Task<FileDescriptor> OpenWebSocketAsync(KubeRequest request, string subprotocol, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_limit);
        try
        {
            using WebSocketUpgrade upgrade = new(_socketPath());
            using HttpResponseMessage answer = await upgrade.AskAsync(new Uri(Base, request.Path), subprotocol, limit.Token);
            if (upgrade.IsOpenedBy(answer, subprotocol))
                return upgrade.Take();
            int status = (int)answer.StatusCode;
            if (answer.StatusCode == HttpStatusCode.SwitchingProtocols)
                throw KubeFailure.FromAnswer(request, status, "its answer to the upgrade is not a WebSocket's", _server);
            string text = await answer.Content.ReadAsStringAsync(limit.Token);
            if (text.Length == 0)
                text = $"{{\"status\":\"Failure\",\"message\":\"the upgrade to a WebSocket was refused with HTTP {status}\"}}";
            throw KubeFailure.FromAnswer(request, status, text, _server);
        }
        catch (HttpRequestException fault)
        {
            throw KubeFailure.NoAnswer(request, fault.InnerException ?? fault, _proxyError());
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw KubeFailure.Timeout(request, _limit, _server);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(KubeRequest request, byte[]? body, CancellationToken cancellation)
    {
        using HttpRequestMessage message = new(request.Method, new Uri(Base, request.Path));
        message.Headers.Accept.ParseAdd("application/json, */*");
        if (body is not null)
        {
            message.Content = new ByteArrayContent(body);
            message.Content.Headers.ContentType = new MediaTypeHeaderValue(request.ContentType);
        }

        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_limit);
        try
        {
            // HttpMessageInvoker returns when the headers are there; a watch's body goes on for as long as it likes.
            HttpResponseMessage answer = await _http.SendAsync(message, limit.Token);
            if (answer.Headers.Date is { } date)
                _ahead = date - DateTimeOffset.UtcNow;
            if (answer.IsSuccessStatusCode)
                return answer;
            using (answer)
            {
                string text = await answer.Content.ReadAsStringAsync(limit.Token);
                throw KubeFailure.FromAnswer(request, (int)answer.StatusCode, text, _server);
            }
        }
        catch (HttpRequestException fault)
        {
            throw KubeFailure.NoAnswer(request, fault.InnerException ?? fault, _proxyError());
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw KubeFailure.Timeout(request, _limit, _server);
        }
    }

    private async Task<T> ReadAsync<T>(KubeRequest request, HttpResponseMessage answer, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_limit);
        try
        {
            await using Stream body = await answer.Content.ReadAsStreamAsync(limit.Token);
            return await JsonSerializer.DeserializeAsync(body, type, limit.Token)
                ?? throw KubeFailure.FromAnswer(request, (int)answer.StatusCode, "null", _server);
        }
        catch (JsonException fault)
        {
            throw KubeFailure.FromAnswer(request, (int)answer.StatusCode, fault.Message, _server);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException)
        {
            throw KubeFailure.NoAnswer(request, fault, _proxyError());
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw KubeFailure.Timeout(request, _limit, _server);
        }
    }

    private async Task<string?> ReadLineAsync(KubeRequest request, StreamReader lines, CancellationToken cancellation)
    {
        try
        {
            return await lines.ReadLineAsync(cancellation);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException)
        {
            throw KubeFailure.NoAnswer(request, fault, _proxyError());
        }
    }
}
