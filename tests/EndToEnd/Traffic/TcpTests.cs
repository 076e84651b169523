namespace Telepresence.EndToEnd.Traffic;

/// <summary>TCP from the connected laptop.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class TcpTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private const int Bulk = 100_000_000;
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.ConnectedAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task A_large_download_arrives_whole()
    {
        string expected = (await _laptop.RunAsync("curl", "-sS", $"http://files.other/bytes/{Bulk}/sha256")).Good();
        Assert.Equal(expected, (await _laptop.ShellAsync($"curl -sS http://files.other/bytes/{Bulk} | sha256sum | cut -d' ' -f1")).Good());
    }

    [Fact]
    public async Task A_large_upload_arrives_whole()
    {
        string file = Path.Combine(_laptop.Home, "upload");
        CommandResult upload = await _laptop.ShellAsync($"head -c {Bulk} /dev/urandom >{file}; sha256sum <{file} | cut -d' ' -f1; curl -sS -T {file} http://files.other/sha256; rm {file}");
        string[] sums = upload.Good().Split('\n');
        Assert.Equal(sums[0], sums[1]);
    }

    [Fact]
    public async Task A_half_closed_connection_still_brings_the_answer()
    {
        // socat shuts its sending side down at the end of its input, and the server answers after that.
        Assert.Equal("all of it", (await _laptop.ShellAsync("echo 'all of it' | socat -t 30 - TCP:files.other:7")).Good());
        Assert.Equal("3000000", (await _laptop.ShellAsync("head -c 3000000 /dev/zero | socat -t 30 - TCP:files.other:7 | wc -c")).Good());
    }

    [Fact]
    public async Task A_closed_port_refuses_at_once()
    {
        string address = await cluster.PodAddressAsync("other", "files");
        CommandResult refused = await _laptop.RunAsync("timeout", "10", "socat", "-u", "OPEN:/dev/null", $"TCP:{address}:81");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("Connection refused", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_Service_without_pods_refuses_at_once()
    {
        CommandResult refused = await _laptop.RunAsync("timeout", "10", "socat", "-u", "OPEN:/dev/null", "TCP4:nobody:80");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("Connection refused", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_no_pod_has_is_unreachable()
    {
        CommandResult refused = await _laptop.RunAsync("timeout", "30", "socat", "-u", "OPEN:/dev/null", "TCP:10.244.255.254:80");
        Assert.Equal(1, refused.ExitCode);
        Assert.Matches("No route to host|Network is unreachable", refused.Error);
    }

    [Fact]
    public async Task A_statically_linked_program_gets_through() =>
        Assert.Contains("Welcome to nginx!", (await _laptop.RunAsync("busybox", "wget", "-qO-", "http://helloworld.default/")).Good(), StringComparison.Ordinal);

    [Fact]
    public async Task IPv6_gets_through()
    {
        Assert.Contains("Welcome to nginx!", (await _laptop.RunAsync("curl", "-6", "-sS", "http://helloworld/")).Good(), StringComparison.Ordinal);
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", $"http://[{await cluster.PodAddressAsync("other", "files", six: true)}]/")).Good());
    }

    [Fact]
    public async Task A_pod_answers_by_its_address() =>
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", $"http://{await cluster.PodAddressAsync("other", "files")}/")).Good());

    [Fact]
    public async Task A_thousand_short_connections_in_a_row_leave_nothing_behind()
    {
        string address = await cluster.ServiceAddressAsync("other", "files");
        string count = (await _laptop.ShellAsync($"curl -sS --no-keepalive -H 'Connection: close' 'http://{address}/?[1-1000]' | grep -c practice")).Good();
        Assert.Equal("1000", count);
        await Eventually.GivesAsync("no connection is left", async () => (int?)(await _laptop.ConnectedStatusAsync())["traffic_manager"]!["connections"] ?? 0, static connections => connections <= 2);
    }

    [Fact]
    public async Task Eight_downloads_beside_each_other_arrive_whole()
    {
        const int each = 10_000_000;
        string expected = (await _laptop.RunAsync("curl", "-sS", $"http://files.other/bytes/{each}/sha256")).Good();
        string sums = (await _laptop.ShellAsync($"for i in $(seq 8); do (curl -sS http://files.other/bytes/{each} | sha256sum | cut -d' ' -f1) & done; wait")).Good();
        Assert.Equal(Enumerable.Repeat(expected, 8), sums.Split('\n'));
    }

    [Fact]
    public async Task A_download_is_not_felt_by_a_request_beside_it()
    {
        const int requests = 5;
        string pipe = await _laptop.MakePipeAsync("download");
        RunningCommand download = _laptop.Begin("curl", "-sS", "-o", pipe, $"http://files.other/bytes/{3L * Bulk}");

        // The test itself reads: a piece beside each request, so that the download is under way and cannot be over before the last one.
        await using FileStream bytes = await Laptop.OpenPipeAsync(pipe, FileAccess.Read);
        byte[] piece = new byte[3 * Bulk / (requests + 1)];
        for (int i = 0; i < requests; i++)
        {
            Task reading = bytes.ReadExactlyAsync(piece).AsTask();
            Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", "http://files.other/")).Good());
            await reading;
        }

        Assert.False(download.HasEnded);
        await bytes.ReadExactlyAsync(piece);
        (await download.EndAsync()).Good();
        File.Delete(pipe);
    }
}
