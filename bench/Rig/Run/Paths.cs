using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;

using Telepresence.Rig.Load;

namespace Telepresence.Rig.Run;

/// <summary>Brings up the paths that are measured: the yardsticks and ourselves.</summary>
/// <param name="lab">Where.</param>
/// <param name="baseline">Another checkout, for the path of that name.</param>
/// <param name="measureStartUp">Whether the practice cluster is to be used for that too, if it is brought up.</param>
internal sealed class Paths(Lab lab, string? baseline, bool measureStartUp)
{
    /// <summary>A path's number is added.</summary>
    internal const int FirstProxyPort = 7700;

    /// <summary>Names of all paths, in the table's order.</summary>
    internal static readonly string[] Names = ["loopback", "veth", "telepresence", "stack", "preload", .. Peers.Names, "port-forward", "websocket"];

    /// <summary>Those of a quick run.</summary>
    internal static readonly string[] QuickNames = ["loopback", "telepresence", "pasta", "ssh-D"];

    private PracticePaths? _practice;

    /// <summary>Seconds until the program is of use, by measure.</summary>
    internal IReadOnlyList<(string Measure, LoadResult Result)> StartUp => _practice?.StartUp ?? [];

    /// <param name="name">Which; "baseline" is ourselves as built in another checkout.</param>
    /// <param name="number">Tells its namespace from the others'.</param>
    internal async Task<BenchPath> StartAsync(string name, int number)
    {
        if (name == "loopback")
            return new BenchPath { Name = name, Namespace = Topology.Server, Dns = IPAddress.Parse(Topology.ServerAddress) };
        if (name is "port-forward" or "websocket")
        {
            _practice ??= await PracticePaths.StartAsync(lab, measureStartUp);
            return name == "websocket" ? _practice.WebSocket() : _practice.PortForward();
        }

        (string netns, string gateway) = await Topology.AddAppAsync(lab, number);
        return name switch
        {
            "veth" => new BenchPath { Name = name, Namespace = netns, Target = gateway, Dns = IPAddress.Parse(gateway) },
            "telepresence" or "stack" or "preload" => (await StartTelepresenceAsync(lab, name, netns, Repository, FirstProxyPort + number)).Path,
            "baseline" => (await StartTelepresenceAsync(lab, name, netns, baseline ?? throw new ArgumentException("--baseline is missing."), FirstProxyPort + number)).Path,
            _ => await Peers.StartAsync(lab, name, netns, gateway),
        };
    }

    // Where ./dev bench puts the programs, below a repository.
    private const string Output = "out/bench";

    /// <summary>Root of the repository.</summary>
    internal static string Repository => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../.."));

    /// <summary>TUN (or the shim's agent), engine and session in the app's namespace; one TCP connection; the proxy in the servers' namespace.</summary>
    /// <param name="lab">Where.</param>
    /// <param name="name">The path's, and of its files.</param>
    /// <param name="netns">The app's namespace.</param>
    /// <param name="checkout">Where the programs were built.</param>
    /// <param name="port">The proxy's.</param>
    /// <param name="linkPort">The port that the client links to, should it lead to the proxy over something else.</param>
    internal static async Task<(BenchPath Path, Process[] Processes)> StartTelepresenceAsync(Lab lab, string name, string netns, string checkout, int port, int? linkPort = null)
    {
        string program = Path.Combine(checkout, Output, "telepresence-proxy"), rig = Path.Combine(checkout, Output, "Rig");
        string[] mode = name switch
        {
            "stack" => ["--stack"],
            "preload" => ["--preload", lab.PathOf("shim")],
            _ => [],
        };
        byte[] key = RandomNumberGenerator.GetBytes(32);
        Process proxy = lab.Start($"{name}-proxy", Lab.In(Topology.Server, program), new Dictionary<string, string>
        {
            ["TELEPRESENCE_PORT"] = $"{port}",
            ["TELEPRESENCE_KEY_HASH"] = Convert.ToHexStringLower(SHA256.HashData(key)),
        });
        string[] relayed = linkPort is null ? [] : ["--relayed"];
        string[] command =
        [
            rig, "client", "--link", $"127.0.0.1:{linkPort ?? port}", "--link-netns", Lab.NamespaceFile(Topology.Server), "--route", Topology.ServerNetwork,
            "--journal", lab.PathOf($"{name}/journal"), .. relayed, .. mode,
        ];
        Process client = lab.Start($"{name}-client", Lab.In(netns, command), new Dictionary<string, string> { ["RIG_KEY"] = Convert.ToHexString(key) });
        string[] ready = (await lab.ExpectAsync(client, "ready")).Split('\t')[1..];
        BenchPath path = new() { Name = name, Namespace = netns, Relays = [proxy.Id, client.Id] };
        path = name switch
        {
            "preload" => path with { Wrapper = ["env", .. ready] },
            "stack" => path with { Relays = [client.Id] },
            _ => path with { Dns = IPAddress.Parse(ready[0]), CachesDns = true },
        };
        return (path, [client, proxy]);
    }
}
