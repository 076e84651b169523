using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Tests.Cluster;

/// <summary>An HTTP server on a Unix socket that answers as a test says: what kubectl proxy and an API server would.</summary>
internal sealed class FakeApiServer : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly DirectoryInfo _directory;

    private FakeApiServer(WebApplication application, DirectoryInfo directory, string socketPath)
    {
        _application = application;
        _directory = directory;
        SocketPath = socketPath;
    }

    internal string SocketPath { get; }

    /// <summary>Method, path and query of each request so far.</summary>
    internal List<string> Requests { get; } = [];

    internal static async Task<FakeApiServer> StartAsync(RequestDelegate answer)
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("fake-api-");
        string path = Path.Combine(directory.FullName, "api.sock");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options => options.ListenUnixSocket(path, static listen => listen.Protocols = HttpProtocols.Http1));
        builder.Services.Configure<HostOptions>(static options => options.ShutdownTimeout = TimeSpan.FromMilliseconds(100));
        WebApplication application = builder.Build();
        FakeApiServer server = new(application, directory, path);
        application.UseWebSockets();
        application.Run(context =>
        {
            lock (server.Requests)
                server.Requests.Add($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
            return answer(context);
        });
        await application.StartAsync();
        return server;
    }

    /// <summary>A server with one answer for everything.</summary>
    internal static Task<FakeApiServer> StartAsync(int status, string body, string type = "application/json") =>
        StartAsync(context => AnswerAsync(context, status, body, type));

    internal static Task AnswerAsync(HttpContext context, int status, string body, string type = "application/json")
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        return context.Response.WriteAsync(body);
    }

    /// <summary>A Kubernetes Status.</summary>
    internal static string Status(int code, string reason, string message) =>
        $$"""{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":{{System.Text.Json.JsonSerializer.Serialize(message)}},"reason":"{{reason}}","code":{{code}}}""";

    internal KubeClient Client(TimeSpan? limit = null) => new(() => SocketPath, "https://api.example.com:6443", limit: limit);

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync();
        await _application.DisposeAsync();
        _directory.Delete(recursive: true);
    }
}
