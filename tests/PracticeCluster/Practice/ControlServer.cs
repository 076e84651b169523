using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Telepresence.PracticeCluster.Api;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>
/// The practice switches over HTTP on a Unix socket of their own in the state directory, reachable also while the API
/// server is away: POST /practice/VERB with {"arguments": [...]} answers {"text": "..."} or {"error": "..."} with 400.
/// </summary>
internal sealed class ControlServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    public ControlServer(string socketPath, ControlVerbs verbs)
    {
        File.Delete(socketPath);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.SetMinimumLevel(LogLevel.None);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socketPath));
        _app = builder.Build();
        _app.Run(http => AnswerAsync(http, verbs));
        SocketPath = socketPath;
    }

    public string SocketPath { get; }

    public async Task StartAsync()
    {
        await _app.StartAsync().ConfigureAwait(false);
        File.SetUnixFileMode(SocketPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(true)).ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        File.Delete(SocketPath);
    }

    private static async Task AnswerAsync(HttpContext http, ControlVerbs verbs)
    {
        try
        {
            var path = http.Request.Path.Value ?? "";
            if (http.Request.Method != "POST" || !path.StartsWith("/practice/", StringComparison.Ordinal)) throw new FormatException("POST /practice/VERB");
            var body = await RequestBody.ReadAsync(http.Request).ConfigureAwait(false);
            var text = await verbs.RunAsync(path["/practice/".Length..], body.Strings("arguments"), http.RequestAborted).ConfigureAwait(false);
            await http.Response.WriteAsync(200, new JsonObject { ["text"] = text }).ConfigureAwait(false);
        }
        catch (Exception e) when (e is FormatException or NodeException or ApiException)
        {
            await http.Response.WriteAsync(400, new JsonObject { ["error"] = e.Message }).ConfigureAwait(false);
        }
    }
}
