using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;

namespace Telepresence.Rig.Run;

/// <summary>Brings up the paths that are measured: the yardsticks and ourselves.</summary>
internal static class Paths
{
    private const int ProxyPort = 7700, BaselineProxyPort = 7701;

    /// <summary>Names of all paths, in the table's order.</summary>
    internal static readonly string[] Names = ["loopback", "veth", "telepresence", .. Peers.Names];

    /// <summary>Those of a quick run.</summary>
    internal static readonly string[] QuickNames = ["loopback", "telepresence", "ssh-D"];

    /// <param name="lab">Where.</param>
    /// <param name="name">Which; "baseline" is ourselves as built in another checkout.</param>
    /// <param name="number">Tells its namespace from the others'.</param>
    /// <param name="baseline">That checkout.</param>
    internal static async Task<BenchPath> StartAsync(Lab lab, string name, int number, string? baseline)
    {
        if (name == "loopback")
            return new BenchPath { Name = name, Namespace = Topology.Server, Dns = IPAddress.Parse(Topology.ServerAddress) };
        (string netns, string gateway) = await Topology.AddAppAsync(lab, number);
        return name switch
        {
            "veth" => new BenchPath { Name = name, Namespace = netns, Target = gateway, Dns = IPAddress.Parse(gateway) },
            "telepresence" => await StartTelepresenceAsync(lab, name, netns, Repository, ProxyPort),
            "baseline" => await StartTelepresenceAsync(lab, name, netns, baseline ?? throw new ArgumentException("--baseline is missing."), BaselineProxyPort),
            _ => await Peers.StartAsync(lab, name, netns, gateway),
        };
    }

    private static string Repository => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../.."));

    private static string Output => Path.Combine("bin", Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd('/')))!, "net10.0");

    // TUN, engine and session in the app's namespace; one TCP connection; the proxy in the servers' namespace.
    private static async Task<BenchPath> StartTelepresenceAsync(Lab lab, string name, string netns, string checkout, int port)
    {
        string program = Path.Combine(checkout, "src/Proxy", Output, "telepresence-proxy.dll");
        string rig = Path.Combine(checkout, "bench/Rig", Output, "Rig.dll");
        byte[] key = RandomNumberGenerator.GetBytes(32);
        Process proxy = lab.Start($"{name}-proxy", Lab.In(Topology.Server, Environment.ProcessPath!, program), new Dictionary<string, string>
        {
            ["TELEPRESENCE_PORT"] = $"{port}",
            ["TELEPRESENCE_KEY_HASH"] = Convert.ToHexStringLower(SHA256.HashData(key)),
        });
        Process client = lab.Start($"{name}-client", Lab.In(netns,
            Environment.ProcessPath!, rig, "client", "--link", $"127.0.0.1:{port}", "--link-netns", Lab.NamespaceFile(Topology.Server), "--route", Topology.ServerNetwork,
            "--proxy-version", FileVersionInfo.GetVersionInfo(program).ProductVersion!,
            "--journal", lab.PathOf($"{name}/journal")), new Dictionary<string, string> { ["RIG_KEY"] = Convert.ToHexString(key) });
        string ready = await lab.ExpectAsync(client, "ready");
        return new BenchPath
        {
            Name = name,
            Namespace = netns,
            Dns = IPAddress.Parse(ready.Split(' ')[1]),
            CachesDns = true,
            Relays = [proxy.Id, client.Id],
        };
    }
}
