namespace Telepresence.EndToEnd.Names;

/// <summary>Names as a program on the connected laptop sees them.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class NameTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.ConnectedAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Theory]
    [InlineData("helloworld")]
    [InlineData("helloworld.default")]
    [InlineData("helloworld.default.svc")]
    [InlineData("helloworld.default.svc.cluster.local")]
    [InlineData("helloworld.default.svc.cluster.local.")]
    public async Task A_Service_answers_by_each_form_of_its_name(string name) =>
        Assert.Contains("Welcome to nginx!", (await _laptop.RunAsync("curl", "-sS", "--max-time", "20", $"http://{name}/")).Good(), StringComparison.Ordinal);

    [Theory]
    [InlineData("files.other")]
    [InlineData("files.other.svc")]
    [InlineData("files.other.svc.cluster.local")]
    public async Task A_Service_of_another_namespace_answers_by_name_and_namespace(string name) =>
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", "--max-time", "20", $"http://{name}/")).Good());

    [Fact]
    public async Task A_headless_Service_has_the_addresses_of_its_pods() =>
        Assert.Equal(await cluster.PodAddressAsync("other", "files"), await DigAsync("pods.other.svc.cluster.local", "A"));

    [Fact]
    public async Task A_dual_stack_Service_has_an_IPv6_address() =>
        Assert.Equal(await cluster.ServiceAddressAsync("default", "helloworld", six: true), await DigAsync("helloworld.default.svc.cluster.local", "AAAA"));

    [Fact]
    public async Task SRV_names_port_and_host() =>
        Assert.EndsWith(" 80 helloworld.default.svc.cluster.local.", await DigAsync("_http._tcp.helloworld.default.svc.cluster.local", "SRV"), StringComparison.Ordinal);

    [Fact]
    public async Task PTR_leads_from_a_Service_address_to_its_name() =>
        Assert.Equal("helloworld.default.svc.cluster.local.", await Dig.ShortAsync(_laptop.ShellAsync, $"-x {await cluster.ServiceAddressAsync("default", "helloworld")}"));

    [Fact]
    public async Task PTR_leads_from_an_outside_address_to_its_name() =>
        Assert.Equal("db.cloud.example.com.", await Dig.ShortAsync(_laptop.ShellAsync, "-x 198.51.100.10"));

    [Theory]
    [InlineData("db.cloud.example.com", "TXT", "\"engine=redis\" \"tier=practice\"")]
    [InlineData("cloud.example.com", "MX", "10 mail.cloud.example.com.")]
    [InlineData("_redis._tcp.cloud.example.com", "SRV", "10 100 6379 db.cloud.example.com.")]
    [InlineData("db.cloud.example.com", "A", "198.51.100.10")]
    [InlineData("v6only.example.com", "AAAA", "2001:db8:51::80")]
    public async Task Names_that_only_the_cluster_knows_resolve_with_every_type(string name, string type, string expected) =>
        Assert.Equal(expected, await DigAsync(name, type));

    [Fact]
    public async Task An_ExternalName_Service_is_an_alias() =>
        Assert.Equal("db.cloud.example.com.\n198.51.100.10", await DigAsync("database.default.svc.cluster.local", "A"));

    [Fact]
    public async Task A_missing_name_is_NXDOMAIN() =>
        Assert.Contains("status: NXDOMAIN", await Dig.WholeAsync(_laptop.ShellAsync, "no-such-service.default.svc.cluster.local"), StringComparison.Ordinal);

    [Fact]
    public async Task A_missing_type_of_an_existing_name_is_an_empty_answer()
    {
        string answer = await Dig.WholeAsync(_laptop.ShellAsync, "helloworld.default.svc.cluster.local MX");
        Assert.Contains("status: NOERROR", answer, StringComparison.Ordinal);
        Assert.Contains("ANSWER: 0", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_too_big_for_a_datagram_comes_whole_over_TCP()
    {
        Assert.Equal(60, (await Dig.ShortAsync(_laptop.ShellAsync, "+bufsize=512 many.example.com")).Split('\n').Length);
        string truncated = await Dig.WholeAsync(_laptop.ShellAsync, "+bufsize=512 +ignore many.example.com");
        Assert.Contains("flags: qr tc", truncated, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_of_home_are_still_resolved_at_home()
    {
        Assert.Equal("192.168.1.20", await DigAsync("printer.home.example", "A"));
        Assert.Equal("203.0.113.99", await DigAsync("www.internet.example", "A"));
        Assert.Equal("a page at home", (await _laptop.RunAsync("curl", "-sS", "--max-time", "20", "http://printer/index.html")).Good());
    }

    [Fact]
    public async Task Programs_that_use_the_system_s_own_lookup_find_the_same()
    {
        string address = await cluster.ServiceAddressAsync("default", "helloworld");
        Assert.StartsWith(address, (await _laptop.RunAsync("getent", "ahostsv4", "helloworld")).Good(), StringComparison.Ordinal);
        Assert.StartsWith("127.0.0.1", (await _laptop.RunAsync("getent", "ahostsv4", "localhost")).Good(), StringComparison.Ordinal);
    }

    private Task<string> DigAsync(string name, string type) => Dig.ShortAsync(_laptop.ShellAsync, $"{name} {type}");
}
