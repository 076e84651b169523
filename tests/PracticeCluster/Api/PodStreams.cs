using System.Globalization;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Telepresence.PracticeCluster.Api.Streaming;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Practice;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Api;

/// <summary>The streaming subresources of pods: log, exec, attach, portforward, over WebSocket and SPDY.</summary>
internal sealed class PodStreams(Registry registry, INode node, Faults faults, CancellationToken stopping)
{
    private const string SpdyTunnel = "SPDY/3.1+portforward.k8s.io";

    public static bool Handles(RequestInfo info) =>
        info.Type == ResourceTypes.Pods && info.Name.Length > 0 && info.Subresource is "log" or "exec" or "attach" or "portforward";

    public async Task HandleAsync(HttpContext http, RequestInfo info)
    {
        var pod = registry.Store.Get(ResourceTypes.Pods, info.Namespace, info.Name) ?? throw ApiException.NotFound(ResourceTypes.Pods, info.Name);
        switch (info.Subresource)
        {
            case "log":
                await LogAsync(http, pod).ConfigureAwait(false);
                break;
            case "portforward":
                await PortForwardAsync(http, pod).ConfigureAwait(false);
                break;
            default:
                await ExecAsync(http, pod, info.Subresource == "attach").ConfigureAwait(false);
                break;
        }
    }

    private async Task LogAsync(HttpContext http, JsonObject pod)
    {
        var query = http.Request.Query;
        var container = Container(pod, query["container"]);
        var options = Options(query);
        var status = pod.Each("status", "containerStatuses").Concat(pod.Each("status", "initContainerStatuses")).FirstOrDefault(c => c.Str("name") == container);
        if (!options.Previous && status.Str("state", "waiting", "reason") is { } waiting && status.Num("restartCount") is null or 0 && status.At("state", "waiting") is not null)
        {
            var image = pod.Each("spec", "containers").Concat(pod.Each("spec", "initContainers")).First(c => c.Str("name") == container).Str("image");
            throw ApiException.BadRequest(waiting is "ErrImagePull" or "ImagePullBackOff"
                ? $"container \"{container}\" in pod \"{pod.Name()}\" is waiting to start: trying and failing to pull image"
                : $"container \"{container}\" in pod \"{pod.Name()}\" is waiting to start: {waiting}");
        }
        if (pod.Str("spec", "nodeName") is null) throw ApiException.BadRequest($"pod {pod.Name()} does not have a host assigned");
        http.Response.ContentType = "text/plain";
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
        var output = options.Follow
            ? new CallbackStream(async (bytes, cancel) =>
            {
                await http.Response.Body.WriteAsync(bytes, cancel).ConfigureAwait(false);
                await http.Response.Body.FlushAsync(cancel).ConfigureAwait(false);
            })
            : http.Response.Body;
        if (options.Follow) await http.Response.Body.FlushAsync(end.Token).ConfigureAwait(false);
        try
        {
            await node.StreamLogsAsync(PodKey.Of(pod), container, options, output, end.Token).ConfigureAwait(false);
        }
        catch (NodeException e)
        {
            if (http.Response.HasStarted) return;
            throw ApiException.BadRequest(e.Message);
        }
        catch (OperationCanceledException)
        {
            // The reader has gone, or the server stops.
        }
    }

    private static LogOptions Options(IQueryCollection query)
    {
        long? Number(string name) => query[name].ToString() is not { Length: > 0 } text ? null
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n
            : throw ApiException.BadRequest($"{name}: Invalid value: \"{text}\": must be greater than or equal to 0");
        bool Flag(string name) => query[name].ToString() is "true" or "1";
        DateTime? since = Number("sinceSeconds") is { } seconds ? DateTime.UtcNow.AddSeconds(-seconds)
            : DateTime.TryParse(query["sinceTime"], CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal, out var t) ? t : null;
        return new LogOptions(Flag("follow"), Flag("previous"), Flag("timestamps"), Number("tailLines"), Number("limitBytes"), since);
    }

    private async Task ExecAsync(HttpContext http, JsonObject pod, bool attach)
    {
        RequireRunning(pod);
        var request = ExecRequest.Parse(PodKey.Of(pod), Container(pod, http.Request.Query["container"]), http.Request.Query, attach);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
        if (http.WebSockets.IsWebSocketRequest)
        {
            var protocol = WebSocketExec.Protocols.FirstOrDefault(p => http.WebSockets.WebSocketRequestedProtocols.Contains(p))
                ?? throw ApiException.BadRequest("unable to upgrade: none of the requested subprotocols is supported");
            using var socket = await http.WebSockets.AcceptWebSocketAsync(protocol).ConfigureAwait(false);
            await new WebSocketExec(node, request).RunAsync(socket, end.Token).ConfigureAwait(false);
            return;
        }
        var stream = await UpgradeToSpdyAsync(http, ["v4.channel.k8s.io"]).ConfigureAwait(false);
        await new SpdyExec(node, request).RunAsync(stream, end.Token).ConfigureAwait(false);
    }

    private async Task PortForwardAsync(HttpContext http, JsonObject pod)
    {
        if (faults.RefusePortForward) throw ApiException.Internal($"error dialing backend: dial tcp {pod.Str("status", "hostIP")}:10250: connect: connection refused");
        RequireRunning(pod);
        var key = PodKey.Of(pod);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
        using var registration = faults.Register(http.Abort);
        if (http.WebSockets.IsWebSocketRequest)
        {
            var protocols = http.WebSockets.WebSocketRequestedProtocols;
            var protocol = protocols.FirstOrDefault(p => p is "v4.channel.k8s.io" or SpdyTunnel)
                ?? throw ApiException.BadRequest("unable to upgrade: none of the requested subprotocols is supported");
            if (protocol == SpdyTunnel)
            {
                var tunnel = WebSocketStream.Create(await AcceptTunnelAsync(http).ConfigureAwait(false), WebSocketMessageType.Binary, ChannelSocket.ClosePatience);
                await using var closing = tunnel.ConfigureAwait(false);
                await new SpdyPortForward(node, faults, key).RunAsync(tunnel, end.Token).ConfigureAwait(false);
                return;
            }
            var ports = Ports(http.Request.Query);
            using var socket = await http.WebSockets.AcceptWebSocketAsync(protocol).ConfigureAwait(false);
            await new WebSocketPortForward(node, faults, key, ports).RunAsync(socket, end.Token).ConfigureAwait(false);
            return;
        }
        var stream = await UpgradeToSpdyAsync(http, ["portforward.k8s.io"]).ConfigureAwait(false);
        await new SpdyPortForward(node, faults, key).RunAsync(stream, end.Token).ConfigureAwait(false);
    }

    /// <summary>
    /// Kubernetes' name for the tunnel has a slash, which is no token (RFC 6455 section 4.1) and which the framework's own
    /// handshake therefore refuses; so this is the handshake by hand.
    /// </summary>
    private static async Task<WebSocket> AcceptTunnelAsync(HttpContext http)
    {
        var key = http.Request.Headers.SecWebSocketKey.ToString();
#pragma warning disable CA5350 // RFC 6455 section 4.2.2 prescribes SHA-1; nothing is kept secret by it.
        var accept = SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
#pragma warning restore CA5350
        http.Response.Headers.Upgrade = "websocket";
        http.Response.Headers.SecWebSocketAccept = Convert.ToBase64String(accept);
        http.Response.Headers.SecWebSocketProtocol = SpdyTunnel;
        var stream = await http.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync().ConfigureAwait(false);
        return WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = true });
    }

    private static List<int> Ports(IQueryCollection query)
    {
        var ports = new List<int>();
        foreach (var text in query["ports"].SelectMany(p => (p ?? "").Split(',')))
        {
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
                throw ApiException.BadRequest($"unable to parse \"{text}\" as a port");
            ports.Add(port);
        }
        return ports.Count > 0 ? ports : throw ApiException.BadRequest("query parameter \"ports\" is required");
    }

    private static async Task<Stream> UpgradeToSpdyAsync(HttpContext http, string[] known)
    {
        var upgrade = http.Features.Get<IHttpUpgradeFeature>();
        if (upgrade is not { IsUpgradableRequest: true } || !http.Request.Headers.Upgrade.ToString().Equals("SPDY/3.1", StringComparison.OrdinalIgnoreCase))
            throw ApiException.BadRequest("Upgrade request required");
        var offered = http.Request.Headers["X-Stream-Protocol-Version"].SelectMany(v => (v ?? "").Split(',', StringSplitOptions.TrimEntries)).ToList();
        if (known.FirstOrDefault(offered.Contains) is not { } protocol)
            throw new ApiException(403, "Forbidden", $"unable to upgrade: unable to negotiate protocol: client supports [{string.Join(' ', offered)}], server accepts [{string.Join(' ', known)}]");
        http.Response.Headers.Upgrade = "SPDY/3.1";
        http.Response.Headers["X-Stream-Protocol-Version"] = protocol;
        return await upgrade.UpgradeAsync().ConfigureAwait(false);
    }

    private static void RequireRunning(JsonObject pod)
    {
        if (pod.Str("spec", "nodeName") is null) throw ApiException.BadRequest($"pod {pod.Name()} does not have a host assigned");
        if (pod.Str("status", "phase") is "Succeeded" or "Failed")
            throw ApiException.BadRequest($"cannot exec into a container in a completed pod; current phase is {pod.Str("status", "phase")}");
        if (pod.Str("status", "phase") != "Running") throw ApiException.BadRequest($"unable to forward port because pod is not running. Current status={pod.Str("status", "phase")}");
    }

    private static string Container(JsonObject pod, string? asked)
    {
        var names = pod.Each("spec", "containers").Select(c => c.Str("name") ?? "").ToList();
        var all = names.Concat(pod.Each("spec", "initContainers").Select(c => c.Str("name") ?? "")).ToList();
        if (!string.IsNullOrEmpty(asked))
            return all.Contains(asked) ? asked : throw ApiException.BadRequest($"container {asked} is not valid for pod {pod.Name()}");
        if (names.Count == 1) return names[0];
        if (pod.Str("metadata", "annotations", "kubectl.kubernetes.io/default-container") is { } preferred && names.Contains(preferred)) return preferred;
        throw ApiException.BadRequest($"a container name must be specified for pod {pod.Name()}, choose one of: [{string.Join(' ', names)}]");
    }
}
