namespace Telepresence.EndToEnd.Traffic;

/// <summary>What lies beyond the cluster and only the cluster reaches.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class OutsideTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private const string ClusterEgress = "198.51.100.2";
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.ConnectedAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task The_cloud_database_answers_by_name() =>
        Assert.Equal("PONG", (await _laptop.RunAsync("redis-cli", "-h", "db.cloud.example.com", "ping")).Good());

    [Fact]
    public async Task The_cloud_database_answers_by_an_address_given_to_also_proxy() =>
        Assert.Equal("PONG", (await _laptop.RunAsync("redis-cli", "-h", "198.51.100.10", "ping")).Good());

    [Fact]
    public async Task An_outside_server_sees_the_cluster_s_address() =>
        Assert.Equal(ClusterEgress, (await _laptop.RunAsync("curl", "-4", "-sS", "--max-time", "20", "http://www.example.com/ip")).Good());
}
