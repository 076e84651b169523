using System.Collections;

namespace Telepresence.Proxy.Tests;

public sealed class PodInspectorTests
{
    [Fact]
    public void IPv4_destinations_are_read_and_the_default_route_and_reject_routes_are_not()
    {
        string[] lines =
        [
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
            "eth0\t00000000\t0101F40A\t0003\t0\t0\t0\t00000000\t0\t0\t0",
            "eth0\t0001F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "eth0\t0000600A\t0101F40A\t0003\t0\t0\t0\t0000F0FF\t0\t0\t0",
            "*\t000010AC\t00000000\t0201\t0\t0\t0\t0000F0FF\t0\t0\t0",
            "broken line",
        ];
        Assert.Equal(["10.244.1.0/24", "10.96.0.0/12"], RouteTable.ParseIPv4(lines));
    }

    [Fact]
    public void IPv6_destinations_are_read_without_local_link_local_and_multicast_ones()
    {
        const string zero = "00000000000000000000000000000000";
        string[] lines =
        [
            $"fd00000000100244000000000000 0000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth0",
            $"fd001000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth0",
            $"fd001000000000000000000000000005 80 {zero} 00 {zero} 00000000 00000002 00000000 80200001 eth0",
            $"fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth0",
            $"ff000000000000000000000000000000 08 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth0",
            $"{zero} 00 {zero} 00 fd001000000000000000000000000001 00000400 00000001 00000000 00000003 eth0",
            $"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo",
        ];
        Assert.Equal(["fd00:1000::/64"], RouteTable.ParseIPv6(lines));
    }

    [Fact]
    public void Name_servers_are_read_as_the_C_library_reads_them()
    {
        string[] lines = ["# comment", "search a.test", "nameserver 10.96.0.10", "nameserver\tfd00::a", "nameserver bad", "nameserver 1.1.1.1", "nameserver 8.8.8.8"];
        Assert.Equal(["10.96.0.10:53", "[fd00::a]:53", "1.1.1.1:53"], NameServers.Parse(lines).Select(static server => server.ToString()));
        Assert.Equal(["127.0.0.1:53"], NameServers.Parse([]).Select(static server => server.ToString()));
    }

    [Fact]
    public void The_environment_is_what_the_container_declares_and_apart_from_it_what_may_be_the_images()
    {
        Hashtable variables = new()
        {
            ["PATH"] = "/opt/telepresence",
            ["HOSTNAME"] = Environment.MachineName,
            ["HOME"] = "/home/telepresence",
            ["TELEPRESENCE_KEY_HASH"] = "secret",
            ["TELEPRESENCE_RESTORE"] = "{}",
            ["MYENV"] = "hello",
            ["KUBERNETES_SERVICE_HOST"] = "10.96.0.1",
        };
        Assert.Equal(["KUBERNETES_SERVICE_HOST", "MYENV"], PodInspector.Variables(variables, ofImage: false).Keys);
        Assert.Equal(["HOME", "HOSTNAME", "PATH"], PodInspector.Variables(variables, ofImage: true).Keys);
    }

    // As from a ConfigMap with envFrom, whose names no spec has.
    [Fact]
    public void A_variable_of_the_images_name_with_another_value_is_the_containers_own()
    {
        Hashtable variables = new() { ["PATH"] = "/app/bin", ["DOTNET_ENVIRONMENT"] = "Production", ["HOME"] = "/data" };

        Assert.Equal(["DOTNET_ENVIRONMENT", "HOME", "PATH"], PodInspector.Variables(variables, ofImage: false).Keys);
        Assert.Empty(PodInspector.Variables(variables, ofImage: true));
    }
}
