using System.Net;

using Telepresence.Cli.Machine.Resolver;

namespace Telepresence.Cli.Tests.Machine.Resolver;

public sealed class ResolverTextTests
{
    private static readonly IPAddress Ours = IPAddress.Parse("198.18.77.1");

    [Theory]
    [InlineData("nameserver 192.0.2.53\nsearch corp.example\n")]
    [InlineData("nameserver 192.0.2.53")]
    [InlineData("")]
    [InlineData("\n\n; comment\nsearch a b\r\noptions rotate timeout:1\ndomain x\n\n")]
    [InlineData("# \u00e4\u00f6\nnameserver fe80::1%eth0\n")]
    public void Taking_our_part_out_gives_back_every_byte(string original)
    {
        string changed = ResolvConfText.Add(original, [Ours], ["default.svc.cluster.local"]);
        Assert.True(ManagedText.IsIn(changed));
        Assert.Equal(original, ManagedText.Strip(changed));
    }

    [Fact]
    public void Our_server_comes_first_and_the_others_stay()
    {
        string changed = ResolvConfText.Add("nameserver 192.0.2.53\nnameserver 192.0.2.54\n", [Ours], []);
        Assert.Equal(["198.18.77.1", "192.0.2.53", "192.0.2.54"], ResolvConfText.Servers(changed).Select(static server => server.ToString()));
    }

    [Fact]
    public void Our_search_domains_come_first_and_the_machines_own_stay()
    {
        string changed = ResolvConfText.Add("search corp.example lab.example\n", [Ours], ["a.svc.cluster.local", "svc.cluster.local"]);
        Assert.Equal(["a.svc.cluster.local", "svc.cluster.local", "corp.example", "lab.example"], ResolvConfText.Search(changed));
    }

    [Fact]
    public void Rotation_would_pass_us_over_and_is_taken_out()
    {
        string changed = ResolvConfText.Add("options rotate timeout:1\noptions edns0\n", [Ours], []);
        Assert.Contains("\noptions timeout:1\n", changed, StringComparison.Ordinal);
        Assert.DoesNotContain("\noptions rotate", changed, StringComparison.Ordinal);
        Assert.Contains("\noptions edns0\n", changed, StringComparison.Ordinal);
    }

    [Fact]
    public void What_somebody_else_has_added_stays_when_our_part_is_taken_out()
    {
        string changed = ResolvConfText.Add("nameserver 192.0.2.53\nsearch a\n", [Ours], ["b"]);
        Assert.Equal("# vpn\nnameserver 192.0.2.53\nsearch a\nnameserver 10.8.0.1\n", ManagedText.Strip("# vpn\n" + changed + "nameserver 10.8.0.1\n"));
    }

    [Theory]
    [InlineData("hosts: files mdns4_minimal [NOTFOUND=return] dns", "hosts: files dns mdns4_minimal [NOTFOUND=return] dns")]
    [InlineData("hosts:\tfiles mdns [NOTFOUND=return] dns # x", "hosts: files dns mdns [NOTFOUND=return] dns")]
    [InlineData("hosts: files mdns4_minimal [!UNAVAIL=return] dns", "hosts: files dns mdns4_minimal [!UNAVAIL=return] dns")]
    public void Dns_is_put_in_front_of_multicast_dns_that_ends_the_search(string line, string expected)
    {
        string original = $"passwd: files\n{line}\nnetworks: files\n";
        string? changed = NsswitchText.Change(original);
        Assert.NotNull(changed);
        Assert.Contains($"\n{expected}\n", changed, StringComparison.Ordinal);
        Assert.Single(changed.Split('\n'), static text => text.StartsWith("hosts:", StringComparison.Ordinal));
        Assert.Equal(original, ManagedText.Strip(changed));
    }

    [Theory]
    [InlineData("hosts: files dns")]
    [InlineData("hosts: files dns mdns4_minimal [NOTFOUND=return]")]
    [InlineData("hosts: files mdns4 dns")]
    [InlineData("hosts: files resolve [!UNAVAIL=return] mdns4_minimal [NOTFOUND=return] dns")]
    [InlineData("#hosts: files mdns4_minimal [NOTFOUND=return] dns")]
    public void Other_hosts_lines_are_left_alone(string line) => Assert.Null(NsswitchText.Change(line + "\n"));

    [Theory]
    [InlineData("hosts: files resolve [!UNAVAIL=return] dns", true)]
    [InlineData("hosts: files mymachines dns resolve", false)]
    [InlineData("hosts: files dns", false)]
    [InlineData("passwd: files resolve", false)]
    public void Sees_whether_the_c_library_asks_resolved(string text, bool expected) => Assert.Equal(expected, NsswitchText.UsesResolved(text));

    [Fact]
    public void Reads_what_resolvectl_prints()
    {
        const string dns = "Global: 9.9.9.9#dns.quad9.net\nLink 2 (eth0): 192.0.2.53 [2001:db8::1]:5353 192.0.2.54:5353\nLink 3 (wlan0):\nLink 9 (tel0): 198.18.77.1\nLink 10 (tun(x)): fe80::1%10\n";
        const string domain = "Global:\nLink 2 (eth0): corp.example ~internal\nLink 9 (tel0): svc.cluster.local ~.\n";
        ResolvectlStatus status = new(dns, domain);
        Assert.Equal(["9.9.9.9", "192.0.2.53", "2001:db8::1", "192.0.2.54", "fe80::1%10"], status.ServersExcept("tel0").Select(static server => server.ToString()));
        Assert.Equal([Ours], status.Servers("tel0"));
        Assert.Equal(["svc.cluster.local", "~."], status.Domains("tel0"));
        Assert.Equal(["corp.example"], status.SearchExcept("tel0"));
    }
}
