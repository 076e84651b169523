using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Telepresence.Rig.Run;

/// <summary>
/// The paths through a cluster: the practice cluster, its laptop connected as installed, the servers where only the cluster reaches them.
/// The servers stand in the proxy pod's network as well, so that a bare port-forward leads to them.
/// </summary>
internal sealed class PracticePaths
{
    private const string ServerAddress = "198.51.100.10", Namespace = "default", ProxyLabel = "app.kubernetes.io/name=telepresence";

    private readonly Lab _lab;
    private readonly int _laptop;
    private readonly int _cluster;
    private string _kubectl = "";
    private string _pod = "";
    private int[] _relays = [];
    private int _bareKubectl;

    private PracticePaths(Lab lab, int laptop, int cluster)
    {
        _lab = lab;
        _laptop = laptop;
        _cluster = cluster;
    }

    private static string Program => Path.Combine(Paths.Repository, "out/telepresence/telepresence");

    private static string Cluster => Path.Combine(Paths.Repository, "tests/PracticeCluster", Paths.Output, "PracticeCluster.dll");

    private string[] OnLaptop => ["nsenter", $"--target={_laptop}", "--mount", "--uts", "--ipc", "--net", "--pid", "--wdns=/"];

    internal static async Task<PracticePaths> StartAsync(Lab lab)
    {
        // Not below /run, which the laptop does not see.
        string state = lab.PathOf("practice"), dotnet = Environment.ProcessPath!;
        Directory.CreateDirectory(state);
        string[] Practice(params string[] words) => [dotnet, Cluster, .. words];
        Process cluster = lab.Start("practice", Practice("up", "--state", $"{state}/cluster", "--kubeconfig", $"{state}/kubeconfig"));
        await lab.ExpectAsync(cluster, "ready");
        await lab.RunAsync(Practice("ctl", "--state", $"{state}/cluster", "load-image", ImageArchive()));
        await lab.RunAsync(Practice("laptop", "up", "--state", $"{state}/cluster"));
        int laptop = (await PidsAsync(lab, "laptop.sh"))[^1];
        await StartServersAsync(lab, "outside", (await PidsAsync(lab, "outside.sh"))[^1]);
        PracticePaths paths = new(lab, laptop, cluster.Id);
        await paths.ConnectAsync($"{state}/cluster/kubeconfig.laptop");
        return paths;
    }

    /// <summary>The whole product: TUN, session, WebSocket, kubectl, API server, proxy pod.</summary>
    internal BenchPath PortForward() => new()
    {
        Name = "port-forward",
        Enter = OnLaptop,
        Target = ServerAddress,
        IdleLimit = 1000,
        Relays = [.. _relays, _cluster],
    };

    /// <summary>A WebSocket to the pod, which carries the bytes as they are.</summary>
    internal BenchPath WebSocket() => new()
    {
        Name = "websocket",
        Enter = OnLaptop,
        Target = IPAddress.Loopback.ToString(),
        OnlyBulk = true,
        Options = ["--kubectl", _kubectl, "--pod", _pod],
        Relays = [_bareKubectl, _cluster],
    };

    private async Task ConnectAsync(string kubeconfig)
    {
        // With a home of its own: what the end of the run leaves in the journal is nobody's business.
        string home = _lab.PathOf("laptop-home");
        Directory.CreateDirectory(home);
        Dictionary<string, string> environment = new() { ["KUBECONFIG"] = kubeconfig, ["HOME"] = home, ["XDG_STATE_HOME"] = home };
        await _lab.RunAsync([.. OnLaptop, Program, "connect", "--also-proxy", $"{ServerAddress}/32"], TimeSpan.FromSeconds(60), environment);
        _pod = $"{Namespace}/" + (await _lab.RunAsync([.. OnLaptop, "kubectl", "get", "pods", "-l", ProxyLabel, "-o", "jsonpath={.items[0].metadata.name}"], null, environment)).Trim();

        // Other paths have proxies too; this one runs from the image.
        int proxy = (await PidsAsync(_lab, "/opt/telepresence/telepresence-proxy"))[0];
        _relays = [.. await PidsAsync(_lab, "telepresence", "daemon"), .. await PidsAsync(_lab, "kubectl", "proxy"), proxy];
        await StartServersAsync(_lab, "pod", proxy);
        _kubectl = _lab.PathOf("kubectl.sock");
        _bareKubectl = _lab.Start("kubectl", [.. OnLaptop, "kubectl", "proxy", "--unix-socket", _kubectl, "--reject-paths="], environment).Id;
        await _lab.RunAsync(["sh", "-c", $"for i in $(seq 100); do [ -S {_kubectl} ] && exit 0; sleep 0.1; done; exit 1"]);
    }

    private static async Task StartServersAsync(Lab lab, string name, int process)
    {
        string[] enter = ["nsenter", $"--target={process}", "--net"];
        await lab.ExpectAsync(lab.Start($"server-{name}", [.. enter, .. Lab.Self("server", "--without-dns")]), "ready");
        await Topology.StartHttpAsync(lab, $"nginx-{name}", enter);
    }

    private static string ImageArchive() => Directory.GetFiles(Path.Combine(Paths.Repository, "out"), "telepresence-k8s-*.tar").Order(StringComparer.Ordinal).LastOrDefault()
        ?? throw new IOException("The proxy's image is missing; make it with ./dev image.");

    private static async Task<int[]> PidsAsync(Lab lab, params string[] words) =>
        [.. (await lab.RunAsync(["pgrep", "-f", string.Join(".*", words)])).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static pid => int.Parse(pid, CultureInfo.InvariantCulture))];
}
