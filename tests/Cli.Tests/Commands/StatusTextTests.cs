using System.Text.Json;

using Telepresence.Cli.Commands;
using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Tests.Commands;

public sealed class StatusTextTests
{
    private static readonly StatusReport Connected = new()
    {
        RootDaemon = new RootDaemonStatus
        {
            Running = true,
            Name = "OSS Root Daemon",
            Version = "1.0.0",
            Interface = "tel0",
            Dns = new DnsStatus { LocalIp = "198.18.77.1", RemoteIp = "10.96.0.10", IncludeSuffixes = ["cluster.local"] },
            Subnets = ["10.96.0.0/16", "10.244.0.0/16"],
            NeverProxy = ["192.0.2.1/32"],
        },
        UserDaemon = new UserDaemonStatus { Running = true, Name = "OSS User Daemon", Version = "1.0.0", Status = "Connected", KubernetesServer = "https://api.example.com", KubernetesContext = "dev", Namespace = "web" },
        TrafficManager = new ProxyStatus { Name = "OSS Traffic Manager", Version = "1.0.0", Pod = "p", Session = "Established" },
    };

    [Fact]
    public void Without_daemons_each_part_says_so() =>
        Assert.Equal("User Daemon: Not running\nRoot Daemon: Not running\nTraffic Manager: Not connected\n", StatusText.Format(new StatusReport()));

    [Fact]
    public void Connected_it_has_a_block_for_each_part_with_keys_in_one_column() => Assert.Equal(
        """
        OSS User Daemon: Running
          Version           : v1.0.0
          Status            : Connected
          Kubernetes server : https://api.example.com
          Kubernetes context: dev
          Namespace         : web
        OSS Root Daemon: Running
          Version  : v1.0.0
          Interface: tel0
          DNS:
            Local IP        : 198.18.77.1
            Remote IP       : 10.96.0.10
            Include suffixes: [cluster.local]
          Subnets: (2 subnets)
          - 10.96.0.0/16
          - 10.244.0.0/16
          Never Proxy: (1 subnet)
          - 192.0.2.1/32
        OSS Traffic Manager: Connected
          Version: v1.0.0
          Pod    : p

        """,
        StatusText.Format(Connected));

    [Fact]
    public void The_json_keys_are_those_that_scripts_know()
    {
        JsonElement json = JsonSerializer.SerializeToElement(Connected, MessageJson.Default.StatusReport);

        Assert.Equal("Connected", json.GetProperty("user_daemon").GetProperty("status").GetString());
        Assert.Equal("dev", json.GetProperty("user_daemon").GetProperty("kubernetes_context").GetString());
        Assert.Equal("198.18.77.1", json.GetProperty("root_daemon").GetProperty("dns").GetProperty("local_ip").GetString());
        Assert.Equal(2, json.GetProperty("root_daemon").GetProperty("subnets").GetArrayLength());
        Assert.Equal(1, json.GetProperty("root_daemon").GetProperty("never_proxy").GetArrayLength());
        Assert.Equal("OSS Traffic Manager", json.GetProperty("traffic_manager").GetProperty("name").GetString());
        Assert.False(json.GetProperty("user_daemon").TryGetProperty("error", out _));
    }

    [Fact]
    public void Nothing_connected_is_valid_json_as_well() =>
        Assert.Equal("""{"root_daemon":{"running":false},"user_daemon":{"running":false},"traffic_manager":{}}""", JsonSerializer.Serialize(new StatusReport(), MessageJson.Default.StatusReport));
}
