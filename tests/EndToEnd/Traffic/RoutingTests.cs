using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Traffic;

/// <summary>What goes through the cluster and what does not, as the options of connect say.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class RoutingTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private const string ClusterEgress = "198.51.100.2", OutsideWeb = "198.51.100.80";
    private Laptop _laptop = null!;
    private string _before = "";

    public async Task InitializeAsync()
    {
        _laptop = await cluster.LaptopAsync();
        _before = await _laptop.SnapshotAsync();
    }

    public async Task DisposeAsync()
    {
        (await _laptop.TelepresenceAsync("quit")).Good();
        await _laptop.IsAsBeforeAsync(_before);
        await _laptop.DisposeAsync();
    }

    [Fact]
    public async Task A_network_inside_the_cluster_s_stays_outside_with_never_proxy()
    {
        string files = await cluster.ServiceAddressAsync("other", "files");
        string pod = await cluster.PodAddressAsync("other", "files");
        await ConnectAsync("never", "--never-proxy", $"{files}/32");
        Assert.Contains("eth0", await RouteAsync(files), StringComparison.Ordinal);
        Assert.NotEqual(0, (await _laptop.RunAsync("curl", "-sS", "--max-time", "5", $"http://{files}/")).ExitCode);
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", $"http://{pod}/")).Good());
        Assert.Contains($"{files}/32", Strings((await _laptop.ConnectedStatusAsync())["root_daemon"]!["never_proxy"]));
    }

    [Fact]
    public async Task The_most_specific_of_overlapping_networks_wins()
    {
        await ConnectAsync("overlap", "--also-proxy", "198.51.100.0/24", "--never-proxy", "198.51.100.64/26", "--also-proxy", $"{OutsideWeb}/32");
        Assert.Contains("tel", await RouteAsync("198.51.100.10"), StringComparison.Ordinal);
        Assert.Contains("eth0", await RouteAsync("198.51.100.81"), StringComparison.Ordinal);
        Assert.Contains("tel", await RouteAsync(OutsideWeb), StringComparison.Ordinal);
        Assert.Equal("PONG", (await _laptop.RunAsync("redis-cli", "-h", "198.51.100.10", "ping")).Good());
        Assert.Equal(ClusterEgress, (await _laptop.RunAsync("curl", "-sS", $"http://{OutsideWeb}/ip")).Good());
    }

    [Fact]
    public async Task A_host_given_to_also_proxy_is_looked_up_in_the_cluster_and_reached_by_its_address()
    {
        await ConnectAsync("host", "--also-proxy", "v4only.example.com");
        await Eventually.GivesAsync("there is a route to the host", () => RouteAsync(OutsideWeb), static route => route.Contains("tel", StringComparison.Ordinal));
        Assert.Equal(ClusterEgress, (await _laptop.RunAsync("curl", "-sS", $"http://{OutsideWeb}/ip")).Good());
    }

    [Fact]
    public async Task Everything_goes_through_the_cluster_with_all_except_the_API_server_and_home()
    {
        await ConnectAsync("everything", "--all");
        Assert.Equal(ClusterEgress, (await _laptop.RunAsync("curl", "-sS", $"http://{OutsideWeb}/ip")).Good());
        Assert.Equal(ClusterEgress, (await _laptop.RunAsync("curl", "-sS", "http://v4only.example.com/ip")).Good());
        Assert.Contains("eth0", await RouteAsync("203.0.113.10"), StringComparison.Ordinal);
        Assert.Contains("eth0", await RouteAsync("192.168.1.1"), StringComparison.Ordinal);
        Assert.Contains("tel", await RouteAsync("8.8.8.8"), StringComparison.Ordinal);
        Assert.Equal("a page at home", (await _laptop.RunAsync("curl", "-sS", "http://192.168.1.20/index.html")).Good());
        Assert.Contains("helloworld", (await _laptop.RunAsync("kubectl", "get", "services", "-n", "default", "-o", "name")).Good(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_network_that_this_machine_has_a_route_for_is_reported_and_not_stolen()
    {
        (await _laptop.ShellAsync("ip route add 10.96.0.0/16 via 192.168.1.1")).Good();
        CommandResult connect = await ConnectAsync("collision");
        Assert.Contains("10.96.0.0/16 is already routed to 192.168.1.1 (eth0)", connect.Error, StringComparison.Ordinal);
        Assert.Contains("--also-proxy 10.96.0.0/16", connect.Error, StringComparison.Ordinal);
        Assert.Contains("eth0", await RouteAsync("10.96.0.10"), StringComparison.Ordinal);
        JsonNode root = (await _laptop.ConnectedStatusAsync())["root_daemon"]!;
        Assert.DoesNotContain("10.96.0.0/16", Strings(root["subnets"]));
        Assert.Contains(Strings(root["notes"]), static note => note.StartsWith("10.96.0.0/16", StringComparison.Ordinal));
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", $"http://{await cluster.PodAddressAsync("other", "files")}/")).Good());
        (await _laptop.TelepresenceAsync("quit")).Good();
        Assert.Contains("10.96.0.0/16 via 192.168.1.1", (await _laptop.RunAsync("ip", "route")).Good(), StringComparison.Ordinal);
        (await _laptop.ShellAsync("ip route del 10.96.0.0/16")).Good();
    }

    [Fact]
    public async Task A_network_that_this_machine_has_a_route_for_is_taken_when_asked_for()
    {
        (await _laptop.ShellAsync("ip route add 10.96.0.0/16 via 192.168.1.1")).Good();
        await ConnectAsync("taken", "--also-proxy", "10.96.0.0/16");
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", "http://files.other/")).Good());
        (await _laptop.ShellAsync("ip route del 10.96.0.0/16")).Good();
    }

    private async Task<CommandResult> ConnectAsync(string name, params string[] options)
    {
        await cluster.NamespaceAsync(name);
        CommandResult connect = await _laptop.TelepresenceAsync(["connect", "--namespace", name, .. options]);
        connect.Good();
        return connect;
    }

    private async Task<string> RouteAsync(string address) => (await _laptop.RunAsync("ip", "route", "get", address)).Good();

    private static IReadOnlyList<string> Strings(JsonNode? array) => [.. array!.AsArray().Select(static entry => (string)entry!)];
}
