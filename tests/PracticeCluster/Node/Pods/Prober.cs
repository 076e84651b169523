using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Carries out one attempt of an exec, httpGet or tcpSocket probe, from the node as a kubelet does.</summary>
internal sealed class Prober(PodContext pod, JsonNode container, ContainerRun run) : IDisposable
{
    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        PooledConnectionLifetime = TimeSpan.Zero,
#pragma warning disable CA5359 // HTTPS probes skip verification by definition of the Kubernetes API.
        SslOptions = { RemoteCertificateValidationCallback = AcceptAnyCertificate },
#pragma warning restore CA5359
        ConnectCallback = async (context, cancel) =>
        {
            IPAddress address = IPAddress.Parse(context.DnsEndPoint.Host);
            var endpoint = new IPEndPoint(address, context.DnsEndPoint.Port);
            return new NetworkStream(await NamespaceSockets.ConnectAsync(pod.Node.Namespaces.NetworkPath, endpoint, cancel), ownsSocket: true);
        },
    });

    /// <returns>null when it succeeded, else what went wrong.</returns>
    internal async Task<string?> TryAsync(JsonNode probe, CancellationToken cancel)
    {
        var limit = TimeSpan.FromSeconds(probe.Number("timeoutSeconds") ?? 1);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timeout.CancelAfter(limit);
        try
        {
            if (probe.At("exec") is JsonNode exec)
                return await ExecAsync([.. exec.Texts("command")], timeout.Token);
            if (probe.At("httpGet") is JsonNode get)
                return await GetAsync(get, timeout.Token);
            if (probe.At("tcpSocket") is JsonNode tcp)
                return await ConnectAsync(tcp, timeout.Token);
            return "this kind of probe does not exist here";
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return $"timed out after {limit.TotalSeconds}s";
        }
        catch (Exception error) when (error is SocketException or HttpRequestException or NodeException or IOException)
        {
            return error.InnerException?.Message ?? error.Message;
        }
    }

    private static bool AcceptAnyCertificate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) => true;

    public void Dispose() => _client.Dispose();

    private async Task<string?> ExecAsync(string[] command, CancellationToken cancel)
    {
        using StartedProgram program = await run.ExecAsync(command, tty: false, cancel);
        program.Input.Close();
        try
        {
            using var output = new StreamReader(program.Output, Encoding.UTF8);
            using var errors = new StreamReader(program.Error!, Encoding.UTF8);
            Task<string> error = errors.ReadToEndAsync(cancel);
            string text = await output.ReadToEndAsync(cancel) + await error;
            return await program.WaitAsync(cancel) == 0 ? null : text.Trim();
        }
        catch (OperationCanceledException)
        {
            program.Signal(Native.SignalKill);
            throw;
        }
    }

    private async Task<string?> GetAsync(JsonNode get, CancellationToken cancel)
    {
        IPEndPoint target = Target(get);
        string scheme = (get.Text("scheme") ?? "HTTP").ToLowerInvariant();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"{scheme}://{target}{get.Text("path") ?? "/"}"));
        request.Headers.TryAddWithoutValidation("User-Agent", "kube-probe/1.33");
        foreach (JsonNode header in get.Items("httpHeaders"))
            request.Headers.TryAddWithoutValidation(header.Text("name")!, header.Text("value"));
        using HttpResponseMessage response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        int status = (int)response.StatusCode;
        return status is >= 200 and < 400 ? null : string.Create(CultureInfo.InvariantCulture, $"HTTP probe failed with statuscode: {status}");
    }

    private async Task<string?> ConnectAsync(JsonNode tcp, CancellationToken cancel)
    {
        using Socket socket = await NamespaceSockets.ConnectAsync(pod.Node.Namespaces.NetworkPath, Target(tcp), cancel);
        return null;
    }

    private IPEndPoint Target(JsonNode where)
    {
        IPAddress address = where.Text("host") is string host ? IPAddress.Parse(host) : pod.Addresses[0];
        string port = where.Text("port") ?? "";
        long? number = int.TryParse(port, CultureInfo.InvariantCulture, out int value)
            ? value
            : container.Items("ports").FirstOrDefault(p => p.Text("name") == port).Number("containerPort");
        return new IPEndPoint(address, (int)(number ?? throw new NodeException($"couldn't find port: {port}")));
    }
}
