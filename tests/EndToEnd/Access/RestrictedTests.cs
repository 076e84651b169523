namespace Telepresence.EndToEnd.Access;

/// <summary>Clusters that are strict about pods.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class RestrictedTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.LaptopAsync();

    public async Task DisposeAsync() => await _laptop.DisposeAsync();

    [Fact]
    public async Task The_proxy_runs_where_Pod_Security_is_restricted()
    {
        await _laptop.ConnectAsync("--namespace", "restricted");
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", "http://files.other/")).Good());
        Assert.Contains(" 0% packet loss", (await _laptop.RunAsync("ping", "-c", "1", "-W", "10", await cluster.PodAddressAsync("other", "files"))).Good(), StringComparison.Ordinal);
        (await _laptop.TelepresenceAsync("quit")).Good();
        await cluster.NothingLeftAsync("restricted");
    }
}
