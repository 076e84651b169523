namespace Telepresence.EndToEnd.Names;

/// <summary>A name that home and the cluster both know, with different addresses.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class SuffixTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private const string AtHome = "203.0.113.99", InTheCluster = "198.51.100.80";
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.SpareAsync();

    public async Task DisposeAsync() => (await _laptop.TelepresenceAsync("quit")).Good();

    [Fact]
    public async Task Home_s_answer_counts_for_a_name_that_both_know()
    {
        await ConnectAsync("split");

        // A home that takes its time is not waited for.
        await Eventually.GivesAsync("home's answer counts", LookUpAsync, static answer => answer == AtHome);
    }

    [Fact]
    public async Task The_cluster_s_answer_counts_below_a_suffix_that_was_given()
    {
        await ConnectAsync("suffix", "--dns-suffix", "example.com");
        Assert.Equal(InTheCluster, await LookUpAsync());
    }

    [Fact]
    public async Task The_cluster_s_answer_counts_with_all()
    {
        await ConnectAsync("all-names", "--all");
        Assert.Equal(InTheCluster, await LookUpAsync());
    }

    private async Task ConnectAsync(string name, params string[] options)
    {
        await cluster.NamespaceAsync(name);
        await _laptop.ConnectAsync(["--namespace", name, .. options]);
    }

    private Task<string> LookUpAsync() => Dig.ShortAsync(_laptop.ShellAsync, "split.example.com");
}
