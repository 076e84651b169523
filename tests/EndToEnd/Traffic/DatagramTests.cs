namespace Telepresence.EndToEnd.Traffic;

/// <summary>UDP and ICMP from the connected laptop.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class DatagramTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.ConnectedAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_datagram_comes_back(bool six) => Assert.Equal(
        "there and back",
        (await _laptop.ShellAsync($"exec 3<>/dev/udp/{await cluster.ServiceAddressAsync("other", "files", six)}/7; echo 'there and back' >&3; timeout 20 head -n 1 <&3")).Good());

    [Fact]
    public async Task Two_hundred_datagrams_to_as_many_ports_of_this_machine_all_come_back() => Assert.Equal(
        "200",
        (await _laptop.ShellAsync("for i in $(seq 200); do (exec 3<>/dev/udp/files.other/7; echo $i >&3; timeout 20 head -n 1 <&3) & done | sort -u | wc -l; wait")).Good());

    [Fact]
    public async Task A_pod_answers_ping() =>
        Assert.Contains(" 0% packet loss", (await _laptop.RunAsync("ping", "-c", "2", "-i", "0.2", "-W", "10", await cluster.PodAddressAsync("other", "files"))).Good(), StringComparison.Ordinal);

    [Fact]
    public async Task A_pod_answers_ping_over_IPv6() =>
        Assert.Contains(" 0% packet loss", (await _laptop.RunAsync("ping", "-c", "2", "-i", "0.2", "-W", "10", await cluster.PodAddressAsync("other", "files", six: true))).Good(), StringComparison.Ordinal);

    [Fact]
    public async Task An_address_that_no_pod_has_does_not_answer_ping() =>
        Assert.Equal(1, (await _laptop.RunAsync("ping", "-c", "1", "-W", "2", "10.244.255.254")).ExitCode);
}
