using System.Net;
using System.Text.Json.Nodes;

namespace Telepresence.Proxy.Tests;

/// <summary>What a stand-in's proxy does when its client is gone: the API server behind it is a function.</summary>
public sealed class RestorerTests
{
    private readonly FakeApi _api = new();

    [Fact]
    public async Task Replicas_come_back_through_the_scale_alone_with_the_version_that_was_read()
    {
        using RestoreClient client = Client();

        Assert.Equal("deployment web has its 3 replicas again", await client.RestoreAsync(default));

        Assert.Equal(3, (int)_api.Deployment!["spec"]!["replicas"]!);
        Assert.Equal(["GET /apis/apps/v1/namespaces/team/deployments/web Bearer t0", "PATCH /apis/apps/v1/namespaces/team/deployments/web/scale?fieldManager=telepresence Bearer t1"], _api.Requests);
    }

    [Fact]
    public async Task When_somebody_else_wrote_meanwhile_it_looks_again()
    {
        _api.Conflicts = 2;
        using RestoreClient client = Client();

        await client.RestoreAsync(default);

        Assert.Equal(3, (int)_api.Deployment!["spec"]!["replicas"]!);
        Assert.Equal(6, _api.Requests.Count);
    }

    [Fact]
    public async Task Who_scaled_it_meanwhile_keeps_what_they_wanted()
    {
        _api.Deployment!["spec"]!["replicas"] = 5;
        using RestoreClient client = Client();

        await client.RestoreAsync(default);

        Assert.Equal(5, (int)_api.Deployment["spec"]!["replicas"]!);
        Assert.DoesNotContain(_api.Requests, static request => request.StartsWith("PATCH", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("another", "deployment web is restored already")]
    [InlineData(null, "deployment web is gone, there is nothing to restore")]
    public async Task What_is_another_sessions_or_gone_is_left_alone(string? session, string said)
    {
        if (session is null)
            _api.Deployment = null;
        else
            _api.Deployment!["metadata"]!["annotations"]!["session"] = session;
        using RestoreClient client = Client();

        Assert.Equal(said, await client.RestoreAsync(default));

        Assert.DoesNotContain(_api.Requests, static request => request.StartsWith("PATCH", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_refusal_is_told_in_the_servers_words()
    {
        _api.Refusal = (HttpStatusCode.Forbidden, """{"message":"deployments.apps is forbidden"}""");
        using RestoreClient client = Client();

        Assert.Equal("deployments.apps is forbidden", (await Assert.ThrowsAsync<HttpRequestException>(() => client.RestoreAsync(default))).Message);
    }

    [Fact]
    public async Task Without_a_client_it_restores_deletes_the_stand_in_and_says_so()
    {
        await using RunningProxy proxy = new(restore: Order(after: 0), restoreClient: Client);

        await Expect(proxy, "is deleted, this pod ends with it");

        Assert.Equal(3, (int)_api.Deployment!["spec"]!["replicas"]!);
        Assert.StartsWith("DELETE /apis/apps/v1/namespaces/team/deployments/stand-in?propagationPolicy=Background", _api.Requests[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_tries_again_until_the_server_lets_it()
    {
        _api.Refusal = (HttpStatusCode.ServiceUnavailable, "away");
        await using RunningProxy proxy = new(restore: Order(after: 0), restoreClient: Client);
        await Expect(proxy, "not restored yet, trying again");

        _api.Refusal = null;

        await Expect(proxy, "is deleted, this pod ends with it");
    }

    [Fact]
    public async Task A_client_that_comes_back_calls_it_off()
    {
        _api.Refusal = (HttpStatusCode.ServiceUnavailable, "away");
        await using RunningProxy proxy = new(restore: Order(after: 0), restoreClient: Client);
        await Expect(proxy, "not restored yet, trying again");
        using ProxyClient client = new();

        client.Link(proxy.Port);

        await Expect(proxy, "a client is back; nothing is restored");
        Assert.Equal(0, (int)_api.Deployment!["spec"]!["replicas"]!);
    }

    private static async Task Expect(RunningProxy proxy, string line)
    {
        using CancellationTokenSource unexpected = new(TimeSpan.FromSeconds(30));
        while (!proxy.Lines.Any(said => said.Contains(line, StringComparison.Ordinal)))
            await Task.Delay(10, unexpected.Token);
    }

    private static RestoreOrder Order(int after) =>
        RestoreOrder.Parse($$"""{"namespace":"team","deployment":"web","standIn":"stand-in","session":"s1","after":{{after}},"sessionKey":"session","replicasKey":"replicas"}""")!;

    private RestoreClient Client()
    {
        int reads = 0;
        return new RestoreClient(Order(75), new HttpClient(_api, disposeHandler: false) { BaseAddress = new Uri("https://10.96.0.1:443") }, () => $"t{reads++}");
    }

    private sealed class FakeApi : HttpMessageHandler
    {
        private int _revision = 7;

        internal JsonObject? Deployment { get; set; } = JsonNode.Parse("""
            {"metadata":{"name":"web","resourceVersion":"7","annotations":{"session":"s1","replicas":"3","owner":"jane@laptop","note":"mine"}},"spec":{"replicas":0}}
            """)!.AsObject();

        internal List<string> Requests { get; } = [];

        /// <summary>How many patches somebody else is faster than.</summary>
        internal int Conflicts { get; set; }

        internal (HttpStatusCode Status, string Body)? Refusal { get; set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Requests.Add($"{request.Method} {request.RequestUri!.PathAndQuery} {request.Headers.Authorization}");
            if (Refusal is { } refusal)
                return new HttpResponseMessage(refusal.Status) { Content = new StringContent(refusal.Body) };
            if (request.Method == HttpMethod.Delete)
                return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent("{}") };
            if (Deployment is null)
                return new HttpResponseMessage(HttpStatusCode.NotFound) { Content = new StringContent("{}") };
            if (request.Method == HttpMethod.Patch)
            {
                Assert.Equal("application/merge-patch+json", request.Content!.Headers.ContentType!.MediaType);
                JsonObject patch = JsonNode.Parse(await request.Content.ReadAsStringAsync(cancellationToken))!.AsObject();
                if (Conflicts-- > 0)
                    Deployment["metadata"]!["resourceVersion"] = (++_revision).ToString(System.Globalization.CultureInfo.InvariantCulture);
                if ((string?)patch["metadata"]!["resourceVersion"] != (string?)Deployment["metadata"]!["resourceVersion"])
                    return new HttpResponseMessage(HttpStatusCode.Conflict) { Content = new StringContent("{}") };
                Assert.EndsWith("/web/scale", request.RequestUri.AbsolutePath, StringComparison.Ordinal);
                Deployment["spec"]!["replicas"] = patch["spec"]!["replicas"]!.DeepClone();
            }

            return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(Deployment.ToJsonString()) };
        }
    }
}
