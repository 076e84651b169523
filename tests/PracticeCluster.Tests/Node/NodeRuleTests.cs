using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>The node's decisions that need no node.</summary>
public sealed class NodeRuleTests
{
    [Theory]
    [InlineData("$(A)-$(B)", "1-$(B)")]
    [InlineData("$$(A) $$", "$(A) $")]
    [InlineData("$(A", "$(A")]
    [InlineData("100$ $A", "100$ $A")]
    public void Variables_expand_as_the_kubelet_expands_them(string text, string expected) =>
        Assert.Equal(expected, VariableExpansion.Expand(text, name => name == "A" ? "1" : null));

    [Theory]
    [InlineData("1500m", null, "2")]
    [InlineData("1500m", "1m", "1500")]
    [InlineData("64Mi", "1Ki", "65536")]
    [InlineData("1e3", "1", "1000")]
    [InlineData("1.5G", "1M", "1500")]
    public void Quantities_are_divided_and_rounded_up(string quantity, string? divisor, string expected) =>
        Assert.Equal(expected, Quantity.Divide(quantity, divisor));

    [Fact]
    public void Restarts_wait_longer_each_time_until_ten_minutes_of_health()
    {
        var backOff = new BackOff(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(300), firstIsFree: true);
        Assert.Equal([0, 10, 20, 40, 80, 160, 300, 300], Enumerable.Range(0, 8).Select(_ => (int)backOff.Next(TimeSpan.FromSeconds(1)).TotalSeconds));
        Assert.Equal(TimeSpan.Zero, backOff.Next(TimeSpan.FromMinutes(10)));
        Assert.Equal(TimeSpan.FromSeconds(10), backOff.Next(TimeSpan.FromSeconds(1)));
    }

    [Theory]
    [InlineData("nginx", "docker.io/library/nginx:latest", "nginx")]
    [InlineData("practice/httpd", "docker.io/practice/httpd:latest", "practice/httpd")]
    [InlineData("localhost:5000/a/b:1", "localhost:5000/a/b:1", "a/b")]
    [InlineData("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9", "pause")]
    [InlineData("redis@sha256:00", "docker.io/library/redis@sha256:00", "redis")]
    public void Image_names_are_completed(string name, string full, string repository)
    {
        Assert.Equal(full, ImageReference.Normalize(name));
        Assert.Equal(repository, ImageReference.Repository(full));
    }

    [Fact]
    public void Reverse_names_are_of_addresses_and_of_networks()
    {
        Assert.Equal("10.0.96.10.in-addr.arpa.", ReverseName.Of(IPAddress.Parse("10.96.0.10")));
        Assert.Equal("96.10.in-addr.arpa.", ReverseName.Of(IPNetwork.Parse("10.96.0.0/16")));
        Assert.Equal("a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.", ReverseName.Of(IPAddress.Parse("fd00:10:96::a")));
        Assert.Equal("4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa.", ReverseName.Of(IPNetwork.Parse("fd00:10:244::/48")));
    }

    [Fact]
    public void An_alias_that_comes_or_goes_takes_a_reload()
    {
        var alias = new DnsRecord("c.", "CNAME", "d.");
        Assert.True(RecordChange.Between(new HashSet<DnsRecord>(), new HashSet<DnsRecord> { alias }).NeedsReload);
        Assert.True(RecordChange.Between(new HashSet<DnsRecord> { alias }, new HashSet<DnsRecord>()).NeedsReload);
        Assert.False(RecordChange.Between(new HashSet<DnsRecord> { alias }, new HashSet<DnsRecord> { alias }).NeedsReload);
    }

    [Fact]
    public void A_name_that_loses_a_record_is_cleared_and_its_other_records_given_again()
    {
        var a = new DnsRecord("a.", "A", "10.0.0.1");
        var b = new DnsRecord("a.", "A", "10.0.0.2");
        var other = new DnsRecord("b.", "A", "10.0.0.3");
        var third = new DnsRecord("c.", "A", "10.0.0.4");
        RecordChange change = RecordChange.Between(new HashSet<DnsRecord> { a, b, other }, new HashSet<DnsRecord> { a, other, third });
        Assert.Equal(["a."], change.NamesRemoved);
        Assert.Equal([third.ToString(), a.ToString()], change.RecordsAdded);
        Assert.False(change.NeedsReload);
        Assert.Empty(RecordChange.Between(new HashSet<DnsRecord> { a }, new HashSet<DnsRecord> { a }).Commands());
    }

    [Fact]
    public void Udp_flows_to_an_endpoint_that_is_gone_are_stale_and_so_are_those_from_before_the_first_one()
    {
        ServiceView Service(params string[] endpoints) => new("d", "s", ServiceKind.ClusterIP, [IPAddress.Parse("10.96.0.5")], null,
            [new("", "UDP", 53), new("t", "TCP", 53)],
            [.. endpoints.Select(e => new EndpointView(IPAddress.Parse(e), true, null, null, new Dictionary<string, int> { [""] = 53, ["t"] = 53 }))], false, null);
        string Changes(ServiceView before, ServiceView after) => string.Join('|', StaleFlows.Between([before], [after]).Select(a => string.Join(' ', a)));
        const string all = "-D -p udp -f ipv4 --orig-dst 10.96.0.5 --orig-port-dst 53";
        Assert.Equal(all, Changes(Service(), Service("10.244.0.1")));
        Assert.Equal("", Changes(Service("10.244.0.1"), Service("10.244.0.1", "10.244.0.2")));
        Assert.Equal($"{all} --reply-src 10.244.0.1", Changes(Service("10.244.0.1", "10.244.0.2"), Service("10.244.0.2")));
    }

    [Fact]
    public void Only_ready_endpoints_of_the_family_with_that_port_are_targets()
    {
        Dictionary<string, int> ports = new() { ["http"] = 8080 };
        var service = new ServiceView("d", "s", ServiceKind.ClusterIP, [], null, [new("http", "TCP", 80), new("none", "TCP", 81)],
            [
                new(IPAddress.Parse("10.244.0.2"), true, null, null, ports), new(IPAddress.Parse("10.244.0.1"), false, null, null, ports),
                new(IPAddress.Parse("fd00::1"), true, null, null, ports),
            ], false, null);
        Assert.Equal("10.244.0.2:8080", string.Join(',', ServiceRules.Targets(service, service.Ports[0], AddressFamily.InterNetwork)));
        Assert.Equal("[fd00::1]:8080", string.Join(',', ServiceRules.Targets(service, service.Ports[0], AddressFamily.InterNetworkV6)));
        Assert.Empty(ServiceRules.Targets(service, service.Ports[1], AddressFamily.InterNetwork));
        Assert.Equal(2, ServiceRules.Targets(service with { PublishNotReady = true }, service.Ports[0], AddressFamily.InterNetwork).Count);
    }

    [Fact]
    public void A_probe_decides_after_as_many_results_in_a_row_as_it_says()
    {
        var schedule = new ProbeSchedule(JsonNode.Parse("""{ "successThreshold": 2, "failureThreshold": 3 }""")!);
        Assert.Equal([null, true, null, null, false, null, true], ((bool[])[true, true, false, false, false, true, true]).Select(schedule.Add));
    }

    [Theory]
    [InlineData("Always", "running", "Running")]
    [InlineData("Always", "waiting", "Pending")]
    [InlineData("Always", "exit 1", "Running")]
    [InlineData("Never", "exit 1", "Failed")]
    [InlineData("Never", "exit 0", "Succeeded")]
    [InlineData("OnFailure", "exit 1", "Running")]
    [InlineData("OnFailure", "exit 0", "Succeeded")]
    [InlineData("Never", "exit 0,running", "Running")]
    [InlineData("Always", "crash", "Running")]
    public void The_phase_follows_from_the_containers(string policy, string states, string phase)
    {
        ContainerReport[] containers = [.. states.Split(',').Select(state => new ContainerReport("c", "", "", "", false, false, 0,
            state switch
            {
                "running" => new ContainerState(ContainerPhase.Running),
                "waiting" or "crash" => new ContainerState(ContainerPhase.Waiting),
                _ => new ContainerState(ContainerPhase.Terminated, ExitCode: state[^1] - '0'),
            },
            state == "crash" ? new ContainerState(ContainerPhase.Terminated, ExitCode: 1) : null))];
        Assert.Equal(phase, PodPhase.Of(policy, [], containers));
    }

    [Fact]
    public async Task A_log_forgets_its_oldest_lines_beyond_ten_mebibytes()
    {
        var log = new ContainerLog();
        byte[] line = Encoding.ASCII.GetBytes(new string('x', 1023) + "\n");
        log.Append("first\n"u8);
        for (int i = 0; i < 10 * 1024; i++)
            log.Append(line);
        using var output = new MemoryStream();
        await log.StreamAsync(new LogOptions(), output, CancellationToken.None);
        Assert.Equal(10 << 20, output.Length);
        Assert.Equal((byte)'x', output.GetBuffer()[0]);
    }

    [Fact]
    public void Known_bytes_do_not_depend_on_how_they_are_cut()
    {
        byte[] block = new byte[DeterministicBytes.BlockSize];
        DeterministicBytes.FillBlock(block, 3L * DeterministicBytes.BlockSize);
        Assert.Equal("000000000196608\n", Encoding.ASCII.GetString(block, 0, 16));
        Assert.Equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", DeterministicBytes.Sha256(0));
        Assert.NotEqual(DeterministicBytes.Sha256(100_000), DeterministicBytes.Sha256(100_001));
    }
}
