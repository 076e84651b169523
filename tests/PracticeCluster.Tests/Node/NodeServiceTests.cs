using System.Diagnostics;
using System.Net;
using Telepresence.PracticeCluster.Node;
using Xunit.Abstractions;

namespace Telepresence.PracticeCluster.Tests.Node;

[Collection(nameof(NodeCollection))]
public sealed class NodeServiceTests(NodeFixture node, ITestOutputHelper output)
{
    [Fact]
    public async Task Nginx_answers_through_its_ClusterIPs_and_its_names()
    {
        var clock = Stopwatch.StartNew();
        PodKey pod = node.Start("default", "web", """{ "containers": [ { "name": "web", "image": "nginx" } ] }""");
        PodReport report = await node.RunningAsync(pod);
        output.WriteLine($"running after {clock.ElapsedMilliseconds} ms");
        node.Serve(new ServiceView("default", "web", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.1.1"), IPAddress.Parse("fd00:10:96::101")],
            null, [new("http", "TCP", 80)], NodeFixture.Endpoints(report, ("http", 80)), false, null));
        await NodeFixture.EventuallyAsync(async () => (await node.ShAsync("curl -sS -m 2 http://web/")).Contains("Welcome to nginx!", StringComparison.Ordinal));
        foreach (string url in (string[])["http://10.96.1.1/", "http://[fd00:10:96::101]/", "http://web.default/", "http://web.default.svc.cluster.local/"])
            Assert.Contains("Welcome to nginx!", await node.ShAsync($"curl -sS -m 2 '{url}'"), StringComparison.Ordinal);
    }
}
