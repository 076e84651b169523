using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Harness;

/// <summary>The tests' own way to the API server, as the administrator.</summary>
internal sealed class ClusterApi : IDisposable
{
    private readonly HttpClient _client;

    /// <param name="kubeconfig">As the practice cluster writes it: JSON, token, embedded certificate.</param>
    public ClusterApi(JsonNode kubeconfig)
    {
        JsonNode cluster = kubeconfig["clusters"]![0]!["cluster"]!;
        string pem = Encoding.ASCII.GetString(Convert.FromBase64String((string)cluster["certificate-authority-data"]!));
        X509Certificate2 authority = X509Certificate2.CreateFromPem(pem);
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(authority);
        _client = new HttpClient(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } })
        {
            BaseAddress = new Uri((string)cluster["server"]!),
        };
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (string)kubeconfig["users"]![0]!["user"]!["token"]!);
    }

    public async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _client.GetStringAsync(path))!;

    public async Task CreateAsync(string path, JsonNode item)
    {
        using StringContent body = new(item.ToJsonString(), Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await _client.PostAsync(path, body);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
    }

    public async Task DeleteAsync(string path)
    {
        using HttpResponseMessage response = await _client.DeleteAsync(path);
        Assert.True(response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.NotFound, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Names of the objects of a kind.</summary>
    /// <param name="path">For instance <c>/api/v1/namespaces/default/pods</c>.</param>
    public async Task<IReadOnlyList<string>> NamesAsync(string path) =>
        [.. (await GetAsync(path))["items"]!.AsArray().Select(static item => (string)item!["metadata"]!["name"]!)];

    public void Dispose() => _client.Dispose();

    /// <summary>Reads a file as JSON.</summary>
    public static JsonNode Read(string path) => JsonNode.Parse(File.ReadAllText(path), documentOptions: new JsonDocumentOptions())!;
}
