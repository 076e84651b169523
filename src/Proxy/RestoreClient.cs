using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Telepresence.Proxy;

/// <summary>Talks to the API server as the pod's service account: brings the swapped Deployment back, deletes the stand-in.</summary>
/// <param name="order">What to restore.</param>
/// <param name="http">Sends requests; the base address is the API server's.</param>
/// <param name="token">Reads the service account's token, anew for each request since it is rotated.</param>
internal sealed class RestoreClient(RestoreOrder order, HttpClient http, Func<string> token) : IDisposable
{
    // Its own first: the usual one is not there when the pod asks for no token.
    private static readonly string[] Folders = ["/var/run/secrets/telepresence.io/restore", "/var/run/secrets/kubernetes.io/serviceaccount"];
    private static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(15);

    private string Deployments => $"/apis/apps/v1/namespaces/{order.Namespace}/deployments/";

    /// <summary>A client with what the kubelet has given this pod.</summary>
    /// <exception cref="IOException">There is no token.</exception>
    internal static RestoreClient InPod(RestoreOrder order)
    {
        string folder = Folders.FirstOrDefault(static candidate => File.Exists($"{candidate}/token"))
            ?? throw new IOException("this pod has no service account token");
        string host = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST") is { Length: > 0 } given ? given : "kubernetes.default.svc";
        string port = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_PORT") is { Length: > 0 } number ? number : "443";
        SocketsHttpHandler handler = new() { UseProxy = false, AllowAutoRedirect = false, UseCookies = false };
        if (Folders.Select(static candidate => $"{candidate}/ca.crt").FirstOrDefault(File.Exists) is { } authority)
        {
            X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(authority);
            handler.SslOptions.CertificateChainPolicy = policy;
        }

        HttpClient http = new(handler)
        {
            BaseAddress = new Uri($"https://{(host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host)}:{port}"),
            Timeout = RequestLimit,
        };
        return new RestoreClient(order, http, () => File.ReadAllText($"{folder}/token").Trim());
    }

    /// <summary>
    /// Brings back the replicas, unless that is done, or is another's business by now. The annotations stay, as this pod may set nothing but
    /// the scale; without a stand-in they are a dead session's, and are treated so by whoever comes next.
    /// </summary>
    /// <returns>What was found and done, for the log.</returns>
    /// <exception cref="HttpRequestException">The API server does not answer, or refuses.</exception>
    internal async Task<string> RestoreAsync(CancellationToken cancellation)
    {
        const int attempts = 20;
        for (int attempt = 1; ; attempt++)
        {
            using HttpResponseMessage found = await SendAsync(HttpMethod.Get, order.Deployment, null, cancellation).ConfigureAwait(false);
            if (found.StatusCode == HttpStatusCode.NotFound)
                return $"deployment {order.Deployment} is gone, there is nothing to restore";
            JsonObject item = await ReadAsync(found, cancellation).ConfigureAwait(false);
            JsonNode? annotations = item["metadata"]?["annotations"];
            if ((string?)annotations?[order.SessionKey] != order.Session)
                return $"deployment {order.Deployment} is restored already";
            int present = (int?)item["spec"]?["replicas"] ?? 1;
            bool known = int.TryParse((string?)annotations[order.ReplicasKey], NumberStyles.None, CultureInfo.InvariantCulture, out int replicas);
            if (!known || present != 0)
                return $"deployment {order.Deployment} is let go; its {present} replicas are left as they are";
            using HttpResponseMessage changed = await SendAsync(HttpMethod.Patch, $"{order.Deployment}/scale?fieldManager=telepresence", PatchOf(item, replicas), cancellation).ConfigureAwait(false);
            if (changed.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Conflict && attempt < attempts)
                continue;
            await ReadAsync(changed, cancellation).ConfigureAwait(false);
            return $"deployment {order.Deployment} has its {replicas} replicas again";
        }
    }

    /// <summary>Deletes the Deployment that this pod belongs to.</summary>
    /// <exception cref="HttpRequestException">The API server does not answer, or refuses.</exception>
    internal async Task DeleteStandInAsync(CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await SendAsync(HttpMethod.Delete, $"{order.StandIn}?propagationPolicy=Background", null, cancellation).ConfigureAwait(false);
        if (answer.StatusCode != HttpStatusCode.NotFound)
            await ReadAsync(answer, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    // With the resourceVersion that was read: whoever wrote meanwhile is looked at first.
    private static JsonObject PatchOf(JsonObject item, int replicas) => new()
    {
        ["metadata"] = new JsonObject { ["resourceVersion"] = (string?)item["metadata"]!["resourceVersion"] },
        ["spec"] = new JsonObject { ["replicas"] = replicas },
    };

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string name, JsonObject? body, CancellationToken cancellation)
    {
        using HttpRequestMessage request = new(method, new Uri(Deployments + name, UriKind.Relative));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token());
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/merge-patch+json");
        return await http.SendAsync(request, cancellation).ConfigureAwait(false);
    }

    private static async Task<JsonObject> ReadAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        string text = await answer.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false);
        try
        {
            JsonObject? item = JsonNode.Parse(text) as JsonObject;
            if (answer.IsSuccessStatusCode && item is not null)
                return item;
            throw new HttpRequestException((string?)item?["message"] ?? $"HTTP {(int)answer.StatusCode}", null, answer.StatusCode);
        }
        catch (JsonException fault)
        {
            throw new HttpRequestException($"HTTP {(int)answer.StatusCode}: {fault.Message}", fault, answer.StatusCode);
        }
    }
}
