using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Practice;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Api;

/// <summary>What an API server is made of; outlives its listeners.</summary>
internal sealed record ApiServices(Registry Registry, Rbac Rbac, Authenticator Authenticator, TokenIssuer Tokens, INode Node, Faults Faults, X509Certificate2 Certificate);

/// <summary>
/// One run of the API server on given sockets. A request passes, in this order: practised slowness, authentication,
/// discovery and health, access, practised refusals, the handler. To be "away" the run is stopped and another one made.
/// </summary>
internal sealed class ApiServer : IAsyncDisposable
{
    private readonly ApiServices _services;
    private readonly WebApplication _app;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ResourceHandler _resources;
    private readonly WatchHandler _watches;
    private readonly PodStreams _streams;
    private readonly ReviewHandler _reviews;
    private readonly SpecialCreates _specials;

    /// <param name="sockets">Bound and listening; this takes them over.</param>
    public ApiServer(ApiServices services, IReadOnlyList<Socket> sockets)
    {
        _services = services;
        _resources = new ResourceHandler(services.Registry);
        _watches = new WatchHandler(services.Registry.Store, _stopping.Token);
        _streams = new PodStreams(services.Registry, services.Node, services.Faults, _stopping.Token);
        _reviews = new ReviewHandler(services.Rbac, services.Authenticator);
        _specials = new SpecialCreates(services.Registry, services.Tokens);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.SetMinimumLevel(LogLevel.None);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.Zero);
        // The sockets may live in other network namespaces, so Kestrel cannot make them; it gets and owns the ready ones.
        builder.WebHost.UseSockets(o => o.CreateBoundListenSocket = endpoint => sockets.First(s => s.LocalEndPoint!.Equals(endpoint)));
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MaxRequestBodySize = null;
            foreach (var socket in sockets)
                kestrel.Listen((IPEndPoint)socket.LocalEndPoint!, o => o.UseHttps(new HttpsConnectionAdapterOptions { ServerCertificate = services.Certificate }));
        });
        _app = builder.Build();
        _app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.Zero });
        _app.Run(ServeAsync);
    }

    public Task StartAsync() => _app.StartAsync();

    /// <summary>Closes the listeners and cuts every connection.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await _app.StopAsync(now.Token).ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task ServeAsync(HttpContext http)
    {
        try
        {
            await RouteAsync(http).ConfigureAwait(false);
        }
        catch (ApiException e)
        {
            if (http.Response.HasStarted) http.Abort();
            else await http.Response.WriteAsync(e.Code, e.Status).ConfigureAwait(false);
        }
        catch (Exception e) when (http.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException or WebSocketException)
        {
            // The client has left in the middle.
        }
        catch (Exception e)
        {
            // The one place that turns a bug into an answer and a line in the log, as a real server's panic handler does.
            await Console.Error.WriteLineAsync($"{http.Request.Method} {http.Request.Path}: {e}").ConfigureAwait(false);
            if (http.Response.HasStarted) http.Abort();
            else await http.Response.WriteAsync(500, ApiException.Internal(e.Message).Status).ConfigureAwait(false);
        }
    }

    private async Task RouteAsync(HttpContext http)
    {
        var faults = _services.Faults;
        if (faults.Slowness > TimeSpan.Zero) await Task.Delay(faults.Slowness, http.RequestAborted).ConfigureAwait(false);
        http.Response.Headers["Audit-Id"] = Guid.NewGuid().ToString();
        var user = Authenticate(http) ?? throw ApiException.Unauthorized();
        var path = http.Request.Path.Value ?? "/";
        var query = http.Request.Query;
        var watch = query["watch"].ToString() is "true" or "1";
        var info = RequestInfo.Parse(http.Request.Method, path, watch, FieldSelector.Parse(query["fieldSelector"]).RequiredName);
        if (!_services.Rbac.Allows(user, info.Attributes)) throw Rbac.Refusal(user, info.Attributes);
        if (info.Attributes.IsResource && faults.Refuses(info.Verb, info.Attributes.Combined, user.Name)) throw Rbac.Refusal(user, info.Attributes);
        RequireCreateOfUpgrade(info, user);
        if (!info.Attributes.IsResource) await AnswerPathAsync(http, path).ConfigureAwait(false);
        else if (info.Type is null) throw ApiException.NoSuchPath();
        else if (info.Type.Virtual)
        {
            if (info.Verb != "create") throw ApiException.MethodNotAllowed();
            var body = await RequestBody.ReadObjectAsync(http.Request).ConfigureAwait(false);
            await http.Response.WriteAsync(201, _reviews.Answer(info.Type, body, user)).ConfigureAwait(false);
        }
        else if (PodStreams.Handles(info)) await _streams.HandleAsync(http, info).ConfigureAwait(false);
        else if (SpecialCreates.Handles(info))
        {
            var body = await RequestBody.ReadObjectAsync(http.Request).ConfigureAwait(false);
            await http.Response.WriteAsync(201, _specials.Create(info, body, new WriteContext(user))).ConfigureAwait(false);
        }
        else if (info.Verb == "watch") await _watches.HandleAsync(http, info).ConfigureAwait(false);
        else await _resources.HandleAsync(http, info, user).ConfigureAwait(false);
    }

    // A WebSocket is opened by a GET, for which reading is right enough; since 1.35 the right to create the subresource is wanted as well,
    // and its absence is told without a reason.
    private void RequireCreateOfUpgrade(RequestInfo info, User user)
    {
        if (!PodStreams.Handles(info) || info.Verb != "get" || info.Subresource == "log") return;
        var create = info.Attributes with { Verb = "create" };
        if (!_services.Rbac.Allows(user, create) || _services.Faults.Refuses("create", create.Combined, user.Name))
            throw ApiException.Forbidden(info.Type!, info.Name, "");
    }

    private User? Authenticate(HttpContext http) => _services.Authenticator.Authenticate(http.Request.Headers.Authorization);

    private static async Task AnswerPathAsync(HttpContext http, string path)
    {
        if (path is "/healthz" or "/livez" or "/readyz")
        {
            http.Response.ContentType = "text/plain; charset=utf-8";
            await http.Response.WriteAsync("ok").ConfigureAwait(false);
        }
        else if (path == "/openapi/v2" && http.Request.Headers.Accept.ToString().Contains("protobuf", StringComparison.Ordinal))
        {
            http.Response.ContentType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
            await http.Response.Body.WriteAsync(OpenApiV2.Document).ConfigureAwait(false);
        }
        else if (Discovery.Answer(path, http.Request.Host.Value ?? "") is { } answer) await http.Response.WriteAsync(200, answer).ConfigureAwait(false);
        else throw ApiException.NoSuchPath();
    }
}
