using Microsoft.AspNetCore.Http;

using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Tests.Cluster;

public sealed class KubeClientTests
{
    private static readonly KubeRequest Pods = KubeRequest.ListPods("web");

    [Fact]
    public async Task Reads_a_list()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(200, """{"items":[{"metadata":{"name":"a"},"status":{"podIP":"10.1.2.3","podIPs":[{"ip":"10.1.2.3"}]}}]}""");
        using KubeClient client = server.Client();

        KubeList<Pod> pods = await client.GetAsync(Pods, KubeJson.Default.KubeListPod, CancellationToken.None);

        Assert.Equal("10.1.2.3", Assert.Single(pods.Items!).Status!.PodIP);
        Assert.Equal(["GET /api/v1/namespaces/web/pods"], server.Requests);
    }

    [Theory]
    [InlineData(401, "Unauthorized", "Unauthorized", ExitCode.Unauthorized, "log in again")]
    [InlineData(403, "Forbidden", "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"web\"", ExitCode.Forbidden, "You may not list pods in namespace web (403); ask for a Role with verb \"list\" on \"pods\"")]
    [InlineData(404, "NotFound", "namespaces \"web\" not found", ExitCode.NamespaceMissing, "There is no namespace web")]
    [InlineData(500, "InternalError", "etcd is sad", ExitCode.ApiError, "etcd is sad")]
    [InlineData(503, "ServiceUnavailable", "not ready", ExitCode.ApiTimeout, "try again in a moment")]
    public async Task An_error_of_the_server_becomes_a_sentence_and_a_code(int status, string reason, string message, int exitCode, string sentence)
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(status, FakeApiServer.Status(status, reason, message));
        using KubeClient client = server.Client();

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => client.GetAsync(Pods, KubeJson.Default.KubeListPod, CancellationToken.None));

        Assert.Equal(status, fault.Status);
        Assert.Equal(exitCode, fault.Explanation.ExitCode);
        Assert.Contains(sentence, fault.Explanation.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(403, "pods \"p\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1", ExitCode.Quota)]
    [InlineData(403, "deployments.apps \"t\" is forbidden: unable to create new content in namespace web because it is being terminated", ExitCode.NamespaceMissing)]
    [InlineData(403, "admission webhook \"policy.example.com\" denied the request: no", ExitCode.PodRefused)]
    [InlineData(403, "deployments.apps is forbidden: User \"jane\" cannot create resource \"deployments\" in API group \"apps\" in the namespace \"web\"", ExitCode.Forbidden)]
    public async Task A_refusal_to_create_tells_rights_from_rules(int status, string message, int exitCode)
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(status, FakeApiServer.Status(status, "Forbidden", message));
        using KubeClient client = server.Client();
        Deployment deployment = ProxyDeploymentTests.Sample().ToObject();

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => client.SendAsync(KubeRequest.CreateDeployment("web"), deployment, KubeJson.Default.Deployment, CancellationToken.None));

        Assert.Equal(exitCode, fault.Explanation.ExitCode);
    }

    [Theory]
    [InlineData(502, "dial tcp 10.0.0.1:6443: connect: connection refused", ExitCode.ApiUnreachable)]
    [InlineData(502, "dial tcp: lookup nowhere.invalid: no such host", ExitCode.ApiUnreachable)]
    [InlineData(502, "x509: certificate signed by unknown authority", ExitCode.ApiUnreachable)]
    [InlineData(502, "net/http: TLS handshake timeout", ExitCode.ApiTimeout)]
    [InlineData(500, "getting credentials: exec: executable aws failed with exit code 255", ExitCode.CredentialPlugin)]
    [InlineData(200, "<html>welcome to the hotel's wireless network</html>", ExitCode.ApiError)]
    [InlineData(404, "page not found", ExitCode.ApiError)]
    public async Task What_kubectl_proxy_says_for_itself_becomes_a_sentence_and_a_code(int status, string body, int exitCode)
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(status, body, "text/plain");
        using KubeClient client = server.Client();

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => client.GetAsync(Pods, KubeJson.Default.KubeListPod, CancellationToken.None));

        Assert.Equal(exitCode, fault.Explanation.ExitCode);
        Assert.DoesNotContain('\n', fault.Explanation.Message);
    }

    [Fact]
    public async Task A_proxy_that_is_gone_is_named_with_its_last_words()
    {
        using KubeClient client = new(() => "/nonexistent/api.sock", "https://api.example.com", () => "error: exec plugin is broken\n");

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => client.GetAsync(Pods, KubeJson.Default.KubeListPod, CancellationToken.None));

        Assert.Equal(ExitCode.ApiUnreachable, fault.Explanation.ExitCode);
        Assert.Contains("exec plugin is broken", fault.Explanation.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_given_up()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default));
        using KubeClient client = server.Client(TimeSpan.FromMilliseconds(50));

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => client.GetAsync(Pods, KubeJson.Default.KubeListPod, CancellationToken.None));

        Assert.Equal(ExitCode.ApiTimeout, fault.Explanation.ExitCode);
    }

    [Fact]
    public async Task Deleting_what_is_gone_succeeds()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(404, FakeApiServer.Status(404, "NotFound", "deployments.apps \"t\" not found"));
        using KubeClient client = server.Client();

        await client.DeleteAsync(KubeRequest.DeleteDeployment("web", "t"), CancellationToken.None);

        Assert.Equal(["DELETE /apis/apps/v1/namespaces/web/deployments/t?propagationPolicy=Background"], server.Requests);
    }

    [Fact]
    public async Task A_watch_gives_each_change_and_ends_with_the_server()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static async context =>
        {
            foreach (string line in (string[])["""{"type":"ADDED","object":{"metadata":{"name":"a"}}}""", """{"type":"BOOKMARK","object":{}}""", """{"type":"DELETED","object":{"metadata":{"name":"a"}}}"""])
            {
                await context.Response.WriteAsync(line + "\n");
                await context.Response.Body.FlushAsync();
            }
        });
        using KubeClient client = server.Client();
        List<string> seen = [];

        await foreach ((string type, Pod pod) in client.WatchAsync(KubeRequest.WatchPods("web", "a=b"), KubeJson.Default.Pod, CancellationToken.None))
            seen.Add($"{type} {pod.Metadata.Name}");

        Assert.Equal(["ADDED a", "DELETED a"], seen);
    }

    [Fact]
    public async Task A_watch_that_has_expired_says_so()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(200, $$"""{"type":"ERROR","object":{{FakeApiServer.Status(410, "Expired", "too old resource version")}}}""" + "\n");
        using KubeClient client = server.Client();

        KubeException fault = await Assert.ThrowsAsync<KubeException>(async () =>
        {
            await foreach ((string _, Pod _) in client.WatchAsync(KubeRequest.WatchPods("web", "a=b"), KubeJson.Default.Pod, CancellationToken.None))
                Assert.Fail("no change was sent");
        });

        Assert.Equal(410, fault.Status);
    }
}
