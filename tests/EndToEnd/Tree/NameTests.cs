namespace Telepresence.EndToEnd.Tree;

/// <summary>Names as a program inside sees them: as in the pod.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class NameTests(PracticeClusterFixture cluster)
{
    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_Service_answers_by_the_variables_of_its_address(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        string name = PracticeClusterFixture.SharedName(way);
        string prefix = name.ToUpperInvariant().Replace('-', '_');
        string address = await cluster.ServiceAddressAsync(PracticeClusterFixture.Tree, name);
        string[] names = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_WEB", "SERVICE_PORT_DATAGRAMS", "PORT_8080_TCP", "PORT_8080_TCP_PROTO", "PORT_8080_TCP_PORT", "PORT_8080_TCP_ADDR"];
        Assert.Equal(
            $"{address}\n8080\n8080\n7070\ntcp://{address}:8080\ntcp\n8080\n{address}",
            (await inside.RunAsync($"printenv {string.Join(' ', names.Select(each => $"{prefix}_{each}"))}")).Good());
        Assert.StartsWith("ok", (await inside.RunAsync("curl -sSk --max-time 20 https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/healthz || curl -sSk --max-time 20 https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/")).Good(), StringComparison.Ordinal);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_Service_answers_by_each_form_of_its_name(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        foreach (string name in (string[])["files.other", "files.other.svc", "files.other.svc.cluster.local", "files.other.svc.cluster.local.", "FILES.Other"])
            Assert.Equal("practice", (await inside.RunAsync($"curl -sS --max-time 20 http://{name}/")).Good());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_Service_made_later_answers_by_its_short_name_at_once(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        string name = $"later-{way.Label()}";
        Assert.NotEqual(0, (await inside.RunAsync($"curl -sS --max-time 20 http://{name}/")).ExitCode);
        await cluster.ApplyAsync("""
            apiVersion: v1
            kind: Service
            metadata: {name: $NAME, namespace: tree}
            spec: {ports: [{port: 80}]}
            ---
            apiVersion: v1
            kind: Endpoints
            metadata: {name: $NAME, namespace: tree}
            subsets: [{addresses: [{ip: $POD}], ports: [{port: 80}]}]
            """.Replace("$POD", await cluster.PodAddressAsync("other", "files"), StringComparison.Ordinal), name);
        await Eventually.GivesAsync("the name resolves", async () => (await inside.RunAsync($"curl -sS --max-time 20 http://{name}/")).Output, static output => output == "practice\n");
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task The_system_s_own_lookup_finds_what_the_pod_finds(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        string address = await cluster.ServiceAddressAsync("other", "files");
        Assert.StartsWith(address, (await inside.RunAsync("getent ahostsv4 files.other")).Good(), StringComparison.Ordinal);
        Assert.Contains(await cluster.ServiceAddressAsync("other", "files", six: true), (await inside.RunAsync("getent ahostsv6 files.other")).Good(), StringComparison.Ordinal);
        Assert.StartsWith("198.51.100.10", (await inside.RunAsync("getent ahostsv4 db.cloud.example.com")).Good(), StringComparison.Ordinal);
        Assert.StartsWith("127.0.0.1", (await inside.RunAsync("getent ahostsv4 localhost")).Good(), StringComparison.Ordinal);
        Assert.Contains("db.cloud.example.com", (await inside.RunAsync("getent hosts 198.51.100.10")).Good(), StringComparison.Ordinal);
        Assert.Equal(2, (await inside.RunAsync("getent ahosts no-such-service.other.svc.cluster.local")).ExitCode);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task SRV_and_other_records_are_answered(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.EndsWith(" 80 files.other.svc.cluster.local.", await Dig.ShortAsync(inside.RunAsync, "SRV _http._tcp.files.other.svc.cluster.local"), StringComparison.Ordinal);
        Assert.Equal("\"engine=redis\" \"tier=practice\"", await Dig.ShortAsync(inside.RunAsync, "TXT db.cloud.example.com"));
        Assert.Equal(60, (await Dig.ShortAsync(inside.RunAsync, "+bufsize=512 many.example.com")).Split('\n').Length);
    }

    [Theory]
    [InlineData(Way.NetnsAsRoot)]
    [InlineData(Way.NetnsAsJane)]
    [InlineData(Way.NetnsWithSudo)]
    public async Task A_resolver_that_reads_resolv_conf_itself_works(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.Equal("practice", (await inside.RunAsync("busybox wget -qO- http://files.other/")).Good());
        Assert.Equal(await cluster.ServiceAddressAsync("other", "files"), await Dig.ShortAsync(inside.RunAsync, "+search files.other"));
        Assert.StartsWith("search tree.svc.cluster.local svc.cluster.local cluster.local", (await inside.RunAsync("grep ^search /etc/resolv.conf")).Good(), StringComparison.Ordinal);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task The_laptop_s_own_files_and_names_are_untouched(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.Equal("nameserver 192.168.1.1\nsearch home.example", (await inside.User.RunAsync("cat", "/etc/resolv.conf")).Good());
        Assert.StartsWith("192.168.1.20", (await inside.User.RunAsync("getent", "ahostsv4", "printer")).Good(), StringComparison.Ordinal);
        Assert.NotEqual(0, (await inside.User.RunAsync("getent", "ahostsv4", "files.other")).ExitCode);
    }
}
