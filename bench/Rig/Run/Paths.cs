using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;

namespace Telepresence.Rig.Run;

/// <summary>Brings up the paths that are measured: the yardsticks and ourselves.</summary>
internal static class Paths
{
    private const int ProxyPort = 7700;

    /// <summary>Names of all paths, in the table's order.</summary>
    internal static readonly string[] Names = ["loopback", "veth", "telepresence", .. Peers.Names];

    /// <summary>Those of a quick run.</summary>
    internal static readonly string[] QuickNames = ["loopback", "telepresence", "ssh-D"];

    internal static async Task<BenchPath> StartAsync(Lab lab, string name, int number)
    {
        if (name == "loopback")
            return new BenchPath { Name = name, Namespace = Topology.Server, Dns = IPAddress.Parse(Topology.ServerAddress) };
        (string netns, string gateway) = await Topology.AddAppAsync(lab, number);
        return name switch
        {
            "veth" => new BenchPath { Name = name, Namespace = netns, Target = gateway, Dns = IPAddress.Parse(gateway) },
            "telepresence" => await StartTelepresenceAsync(lab, netns),
            _ => await Peers.StartAsync(lab, name, netns, gateway),
        };
    }

    // TUN, engine and session in the app's namespace; one TCP connection; the proxy in the servers' namespace.
    private static async Task<BenchPath> StartTelepresenceAsync(Lab lab, string netns)
    {
        string configuration = Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd('/')))!;
        string repository = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../.."));
        string program = Path.Combine(repository, $"src/Proxy/bin/{configuration}/net10.0/telepresence-proxy.dll");
        byte[] key = RandomNumberGenerator.GetBytes(32);
        Process proxy = lab.Start("proxy", Lab.In(Topology.Server, Environment.ProcessPath!, program), new Dictionary<string, string>
        {
            ["TELEPRESENCE_PORT"] = $"{ProxyPort}",
            ["TELEPRESENCE_KEY_HASH"] = Convert.ToHexStringLower(SHA256.HashData(key)),
        });
        Process client = lab.Start("client", Lab.In(netns, Lab.Self(
            "client", "--link", $"127.0.0.1:{ProxyPort}", "--link-netns", Lab.NamespaceFile(Topology.Server), "--route", Topology.ServerNetwork,
            "--proxy-version", FileVersionInfo.GetVersionInfo(program).ProductVersion!,
            "--journal", lab.PathOf("machine/journal"))), new Dictionary<string, string> { ["RIG_KEY"] = Convert.ToHexString(key) });
        string ready = await lab.ExpectAsync(client, "ready");
        return new BenchPath
        {
            Name = "telepresence",
            Namespace = netns,
            Dns = IPAddress.Parse(ready.Split(' ')[1]),
            CachesDns = true,
            Relays = [proxy.Id, client.Id],
        };
    }
}
