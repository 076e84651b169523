using System.Diagnostics;
using System.Globalization;
using System.Net;

using Telepresence.Rig.Load;

namespace Telepresence.Rig.Run;

/// <summary>
/// The paths through a cluster: the practice cluster, its laptop connected as installed, the servers where only the cluster reaches them.
/// The servers stand in the proxy pod's network as well, so that a bare port-forward leads to them.
/// </summary>
internal sealed class PracticePaths
{
    private const int Repetitions = 5;

    private const string ServerAddress = "198.51.100.10", Namespace = "default", ProxyLabel = "app.kubernetes.io/name=telepresence";

    private readonly Lab _lab;
    private readonly int _laptop;
    private readonly int _cluster;
    private readonly Dictionary<string, string> _environment;
    private string _kubectl = "";
    private string _pod = "";
    private int[] _relays = [];
    private int _bareKubectl;

    private PracticePaths(Lab lab, int laptop, int cluster, Dictionary<string, string> environment)
    {
        _environment = environment;
        _lab = lab;
        _laptop = laptop;
        _cluster = cluster;
    }

    private static TimeSpan Patience => TimeSpan.FromSeconds(60);

    private static string Program => Path.Combine(Paths.Repository, "out/telepresence/telepresence");

    private static string Cluster => Path.Combine(Paths.Repository, "tests/PracticeCluster/bin/Release/net10.0/PracticeCluster.dll");

    private string[] OnLaptop => ["nsenter", $"--target={_laptop}", "--mount", "--uts", "--ipc", "--net", "--pid", "--wdns=/"];

    /// <summary>What <see cref="MeasureStartUpAsync"/> found; empty when it was not asked.</summary>
    internal IReadOnlyList<(string Measure, LoadResult Result)> StartUp { get; private set; } = [];

    internal static async Task<PracticePaths> StartAsync(Lab lab, bool measureStartUp)
    {
        // Not below /run, which the laptop does not see.
        string state = lab.PathOf("practice");
        Directory.CreateDirectory(state);
        string[] Practice(params string[] words) => ["dotnet", Cluster, .. words];
        Process cluster = lab.Start("practice", Practice("up", "--state", $"{state}/cluster", "--kubeconfig", $"{state}/kubeconfig"));
        await lab.ExpectAsync(cluster, "ready");
        await lab.RunAsync(Practice("ctl", "--state", $"{state}/cluster", "load-image", ImageArchive()));
        await lab.RunAsync(Practice("laptop", "up", "--state", $"{state}/cluster"));
        int laptop = (await PidsAsync(lab, "laptop.sh"))[^1];
        await StartServersAsync(lab, "outside", (await PidsAsync(lab, "outside.sh"))[^1]);

        // With a home of its own: what the end of the run leaves in the journal is nobody's business.
        string home = lab.PathOf("laptop-home");
        Directory.CreateDirectory(home);
        PracticePaths paths = new(lab, laptop, cluster.Id, new() { ["KUBECONFIG"] = $"{state}/cluster/kubeconfig.laptop", ["HOME"] = home, ["XDG_STATE_HOME"] = home });
        if (measureStartUp)
            paths.StartUp = await paths.MeasureStartUpAsync();
        await paths.ConnectAsync();
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

    /// <summary>How long the program takes until it is of use: seconds, by measure.</summary>
    /// <remarks>The first connect finds none of its files read; with the pod's image there, each makes a pod. The tree runs its program in a pod that
    /// is there already, and "run" in a session that is.</remarks>
    private async Task<IReadOnlyList<(string Measure, LoadResult Result)>> MeasureStartUpAsync()
    {
        const string deployment = "bench";
        List<(string, LoadResult)> results = [("start-connect-first", Seconds(await TimeAsync(Connect)))];
        await _lab.RunAsync(Quit, Patience, _environment);
        List<double> times = [];
        for (int i = 0; i < Repetitions; i++)
        {
            times.Add(await TimeAsync(Connect));
            await _lab.RunAsync(Quit, Patience, _environment);
        }

        results.Add(("start-connect", Seconds([.. times])));
        await _lab.RunAsync([.. OnLaptop, "kubectl", "create", "deployment", deployment, $"--image={Image()}"], Patience, _environment);
        await _lab.RunAsync([.. OnLaptop, "kubectl", "rollout", "status", $"deployment/{deployment}", "--timeout=60s"], Patience, _environment);
        string[] tree = [.. OnLaptop, Program, "--logfile", _lab.PathOf("tree.log"), "--deployment", deployment, "--run"];
        times.Clear();
        for (int i = 0; i < Repetitions; i++)
            times.Add(await TimeAsync([.. tree, "true"]));
        results.Add(("start-tree", Seconds([.. times])));

        Process session = _lab.Start("session", [.. tree, "sh", "-c", "echo ready; exec cat"], _environment);
        await _lab.ExpectAsync(session, "ready");
        times.Clear();
        for (int i = 0; i < Repetitions; i++)
            times.Add(await TimeAsync([.. OnLaptop, Program, "run", "--", "true"]));
        results.Add(("start-run", Seconds([.. times])));
        session.StandardInput.Close();
        await session.WaitForExitAsync().WaitAsync(Patience);
        await _lab.RunAsync([.. OnLaptop, "kubectl", "delete", "deployment", deployment], Patience, _environment);
        return results;
    }

    private string[] Connect => [.. OnLaptop, Program, "connect", "--also-proxy", $"{ServerAddress}/32"];

    private string[] Quit => [.. OnLaptop, Program, "quit"];

    private async Task<double> TimeAsync(string[] command)
    {
        long begin = Stopwatch.GetTimestamp();
        await _lab.RunAsync(command, Patience, _environment);
        return Stopwatch.GetElapsedTime(begin).TotalSeconds;
    }

    private static LoadResult Seconds(params double[] times) => new LoadResult().With("seconds", times.Order().ElementAt(times.Length / 2));

    private async Task ConnectAsync()
    {
        await _lab.RunAsync(Connect, Patience, _environment);
        _pod = $"{Namespace}/" + (await _lab.RunAsync([.. OnLaptop, "kubectl", "get", "pods", "-l", ProxyLabel, "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[-1:].metadata.name}"], null, _environment)).Trim();

        // Other paths have proxies too; this one runs from the image, and one that ran before may not have ended yet.
        int proxy = (await PidsAsync(_lab, "/opt/telepresence/telepresence-proxy"))[^1];
        _relays = [.. await PidsAsync(_lab, "telepresence", "daemon"), .. await PidsAsync(_lab, "kubectl", "proxy"), proxy];
        await StartServersAsync(_lab, "pod", proxy);
        _kubectl = _lab.PathOf("kubectl.sock");
        _bareKubectl = _lab.Start("kubectl", [.. OnLaptop, "kubectl", "proxy", "--unix-socket", _kubectl, "--reject-paths="], _environment).Id;
        await _lab.RunAsync(["sh", "-c", $"for i in $(seq 100); do [ -S {_kubectl} ] && exit 0; sleep 0.1; done; exit 1"]);
    }

    private static async Task StartServersAsync(Lab lab, string name, int process)
    {
        string[] enter = ["nsenter", $"--target={process}", "--net"];
        await lab.ExpectAsync(lab.Start($"server-{name}", [.. enter, .. Lab.Self("server", "--without-dns")]), "ready");
        await Topology.StartHttpAsync(lab, $"nginx-{name}", enter);
    }

    // As the archive is named, so is the image.
    private static string Image() => $"telepresence/telepresence-k8s:{Path.GetFileNameWithoutExtension(ImageArchive())["telepresence-k8s-".Length..]}";

    private static string ImageArchive() => Directory.GetFiles(Path.Combine(Paths.Repository, "out"), "telepresence-k8s-*.tar").Order(StringComparer.Ordinal).LastOrDefault()
        ?? throw new IOException("The proxy's image is missing; make it with ./dev image.");

    private static async Task<int[]> PidsAsync(Lab lab, params string[] words) =>
        [.. (await lab.RunAsync(["pgrep", "-f", string.Join(".*", words)])).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static pid => int.Parse(pid, CultureInfo.InvariantCulture))];
}
