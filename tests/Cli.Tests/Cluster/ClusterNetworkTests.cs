using System.Net;
using System.Text.Json;

using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Tests.Cluster;

public sealed class ClusterNetworkTests
{
    [Theory]
    [InlineData("The Service \"x\" is invalid: spec.clusterIPs: Invalid value: [\"1.1.1.1\"]: failed to allocate IP 1.1.1.1: the provided IP (1.1.1.1) is not in the valid range. The range of valid IPs is 10.96.0.0/16", "10.96.0.0/16")]
    [InlineData("… The range of valid IPs is fd10:96::/112", "fd10:96::/112")]
    [InlineData("You may not create services", null)]
    [InlineData("The range of valid IPs is 999.1.1.1/40", null)]
    public void The_range_is_read_out_of_the_refusal(string message, string? range) =>
        Assert.Equal(range, ServiceRange.Parse(message)?.ToString());

    [Fact]
    public async Task Both_ranges_are_found_with_rights_in_one_namespace_only()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static async context =>
        {
            string path = context.Request.Path.Value!;
            if (context.Request.Method == "POST")
            {
                Assert.Equal("?dryRun=All", context.Request.QueryString.Value);
                using JsonDocument service = await JsonDocument.ParseAsync(context.Request.Body);
                string range = service.RootElement.GetProperty("spec").GetProperty("ipFamilies")[0].GetString() == "IPv4" ? "10.96.0.0/12" : "fd00:10:96::/112";
                await FakeApiServer.AnswerAsync(context, 422, FakeApiServer.Status(422, "Invalid", $"the provided IP is not in the valid range. The range of valid IPs is {range}"));
            }
            else if (path.StartsWith("/api/v1/namespaces/web/", StringComparison.Ordinal))
            {
                await FakeApiServer.AnswerAsync(context, 200, """{"items":[]}""");
            }
            else
            {
                await FakeApiServer.AnswerAsync(context, 403, FakeApiServer.Status(403, "Forbidden", "cannot list"));
            }
        });
        using KubeClient client = server.Client();

        ClusterNetwork network = await ClusterNetwork.FindAsync(client, "web", CancellationToken.None);

        Assert.Equal(["10.96.0.0/12", "fd00:10:96::/112"], Texts(network.Services));
        Assert.Empty(network.Pods);
        Assert.Empty(network.Notes);
    }

    [Fact]
    public void Without_any_right_the_service_network_is_a_guess_that_is_named_as_one()
    {
        ClusterNetwork network = ClusterNetwork.Combine([], [], [IPAddress.Parse("10.111.200.7"), IPAddress.Parse("10.111.3.4")], []);

        Assert.Equal(["10.111.0.0/16"], Texts(network.Services));
        Assert.Contains("--also-proxy", Assert.Single(network.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_services_in_sight_the_name_server_gives_the_service_network_away()
    {
        ClusterNetwork network = ClusterNetwork.Combine([], [], [], []).With([IPAddress.Parse("10.1.0.7")], [], [IPAddress.Parse("10.43.0.10")]);

        Assert.Equal(["10.43.0.0/16"], Texts(network.Services));
        Assert.Equal(["10.1.0.0/16"], Texts(network.Pods));
        Assert.Equal(2, network.Notes.Count);
    }

    [Fact]
    public void A_node_local_name_server_is_routed_alone_and_a_link_local_one_not_at_all()
    {
        ClusterNetwork known = ClusterNetwork.Combine([IPNetwork.Parse("10.96.0.0/16")], [IPNetwork.Parse("10.244.0.0/24")], [], []);

        Assert.Equal(["10.96.0.0/16", "172.20.0.10/32"], Texts(known.With([], [], [IPAddress.Parse("172.20.0.10")]).Services));
        Assert.Equal(["10.96.0.0/16"], Texts(known.With([], [], [IPAddress.Parse("169.254.20.10")]).Services));
    }

    [Fact]
    public void The_pod_s_own_routes_complete_the_nodes_ranges()
    {
        ClusterNetwork network = ClusterNetwork.Combine([IPNetwork.Parse("10.96.0.0/16")], [IPNetwork.Parse("10.244.0.0/24")], [], [])
            .With([IPAddress.Parse("10.244.0.7")], [IPNetwork.Parse("0.0.0.0/0"), IPNetwork.Parse("10.244.0.0/16"), IPNetwork.Parse("10.244.0.1/32")], []);

        Assert.Equal(["10.244.0.0/16"], Texts(network.Pods));
    }

    [Fact]
    public void A_pod_outside_every_known_range_adds_its_surroundings()
    {
        ClusterNetwork network = ClusterNetwork.Combine([], [IPNetwork.Parse("10.244.0.0/24")], [], [IPAddress.Parse("10.244.0.9"), IPAddress.Parse("192.168.70.3"), IPAddress.Parse("fd00:244::9")]);

        Assert.Equal(["10.244.0.0/24", "192.168.0.0/16", "fd00:244::/64"], Texts(network.Pods));
    }

    private static IEnumerable<string> Texts(IEnumerable<IPNetwork> networks) => networks.Select(static network => network.ToString());
}
