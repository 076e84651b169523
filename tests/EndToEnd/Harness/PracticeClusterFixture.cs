using System.Diagnostics;
using System.Reflection;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Practice;

namespace Telepresence.EndToEnd.Harness;

/// <summary>
/// One practice cluster for all tests, with the proxy's image and some workloads in it, and a laptop that is connected for those tests
/// that only look.
/// </summary>
public sealed partial class PracticeClusterFixture : IAsyncLifetime
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(3);
    private readonly List<Laptop> _laptops = [];
    private readonly string _root = Directory.CreateTempSubdirectory("telepresence-end-to-end-").FullName;
    private Process? _process;
    private Laptop? _shared, _spare;
    private int _lastLaptop;

    /// <summary>Root of the repository.</summary>
    internal static string Repository { get; } = Metadata("Repository");

    /// <summary>The version that all parts have.</summary>
    internal static string Version { get; } = Metadata("ProductVersion");

    /// <summary>The program under test, as it is installed.</summary>
    internal static string Program { get; } = Path.Combine(Repository, "out/telepresence/telepresence");

    /// <summary>The same, not compiled to a native program, as a build leaves it.</summary>
    internal static string ManagedProgram { get; } = Path.Combine(Repository, "src/Cli/bin", Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd('/')))!, "net10.0/telepresence");

    /// <summary>Where the runtime of .NET is.</summary>
    internal static string DotnetRoot { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "../../.."));

    /// <summary>The proxy's image.</summary>
    internal static string ImageArchive { get; } = Path.Combine(Repository, "out", $"telepresence-k8s-{Version}.tar");

    internal string StateDirectory => Path.Combine(_root, "cluster");

    /// <summary>For a laptop; its second context is that of the user dev.</summary>
    internal string Kubeconfig => Path.Combine(StateDirectory, "kubeconfig.laptop");

    internal ClusterApi Api { get; private set; } = null!;

    /// <summary>URL of the API server, as laptops know it.</summary>
    internal string Server { get; private set; } = "";

    public async Task InitializeAsync()
    {
        if (Environment.UserName != "root")
            throw new InvalidOperationException("The end-to-end tests make namespaces and need root: sudo ./dev test.");
        foreach ((string file, string command) in ((string, string)[])[(ImageArchive, "./dev test"), (Program, "./dev test")])
        {
            if (!File.Exists(file))
                throw new InvalidOperationException($"The end-to-end tests need {file}; make it with {command}.");
        }

        string admin = Path.Combine(_root, "kubeconfig");
        ProcessStartInfo start = new(DotnetHost, [ClusterProgram, "up", "--state", StateDirectory, "--kubeconfig", admin])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Directory.CreateDirectory(StateDirectory);

        // Users without privileges have their homes below it.
        File.SetUnixFileMode(_root, File.GetUnixFileMode(_root) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        _process = Process.Start(start)!;
        Task<string> log = _process.StandardError.ReadToEndAsync();
        string? line = await _process.StandardOutput.ReadLineAsync().WaitAsync(StartLimit);
        if (line != "ready")
            throw new InvalidOperationException($"The practice cluster did not start: {await log}");
        Api = new ClusterApi(ClusterApi.Read(admin));
        Server = (string)ClusterApi.Read(Kubeconfig)["clusters"]![0]!["cluster"]!["server"]!;
        await ControlAsync("load-image", ImageArchive);
        (await Kubectl("apply", "-f", Path.Combine(AppContext.BaseDirectory, "Harness/workloads.yaml"))).Good();
        await Eventually.HoldsAsync("all workloads are available", async () => (await Api.GetAsync("/apis/apps/v1/deployments"))["items"]!.AsArray()
            .All(static item => (int?)item!["status"]?["availableReplicas"] == (int)item["spec"]!["replicas"]!));
    }

    public async Task DisposeAsync()
    {
        await EndSessionsAsync();
        foreach (Laptop laptop in _laptops)
            await laptop.DisposeAsync();
        Api?.Dispose();
        if (_process is not null)
        {
            await ControlClient.SendAsync(StateDirectory, "down", [], CancellationToken.None);
            await _process.WaitForExitAsync().WaitAsync(StartLimit);
            _process.Dispose();
        }

        Directory.Delete(_root, recursive: true);
    }

    /// <summary>Throws a switch of the practice cluster.</summary>
    internal async Task<string> ControlAsync(string verb, params string[] arguments)
    {
        (int code, string text) = await ControlClient.SendAsync(StateDirectory, verb, arguments, CancellationToken.None);
        Assert.True(code == 0, $"{verb} {string.Join(' ', arguments)}: {text}");
        return text;
    }

    /// <summary>A new laptop, not connected, that ends with the tests at the latest.</summary>
    internal async Task<Laptop> LaptopAsync()
    {
        string name = $"laptop{++_lastLaptop}";
        Laptop laptop = await Laptop.StartAsync(this, name, Path.Combine(_root, name));
        _laptops.Add(laptop);
        return laptop;
    }

    /// <summary>A laptop that is not connected, for tests that leave it so; its environment is as on a new one.</summary>
    internal async Task<Laptop> SpareAsync()
    {
        _spare ??= await LaptopAsync();
        _spare.ResetEnvironment();
        return _spare;
    }

    /// <summary>A laptop that is connected to namespace default. For looking only.</summary>
    internal async Task<Laptop> ConnectedAsync()
    {
        if (_shared is null)
        {
            Laptop laptop = await LaptopAsync();
            (await laptop.TelepresenceAsync("connect", "--also-proxy", "198.51.100.10", "--verbose")).Good();
            _shared = laptop;
        }

        return _shared;
    }

    /// <summary>The address of a ready pod.</summary>
    internal async Task<string> PodAddressAsync(string @namespace, string run, bool six = false)
    {
        JsonNode pods = await Api.GetAsync($"/api/v1/namespaces/{@namespace}/pods?labelSelector=run%3D{run}");
        JsonNode status = pods["items"]!.AsArray().First(static pod => (string?)pod!["status"]?["phase"] == "Running")!["status"]!;
        return status["podIPs"]!.AsArray().Select(static entry => (string)entry!["ip"]!).First(address => address.Contains(':', StringComparison.Ordinal) == six);
    }

    /// <summary>The cluster address of a Service.</summary>
    internal async Task<string> ServiceAddressAsync(string @namespace, string name, bool six = false) =>
        (await Api.GetAsync($"/api/v1/namespaces/{@namespace}/services/{name}"))["spec"]!["clusterIPs"]!.AsArray()
            .Select(static address => (string)address!).First(address => address.Contains(':', StringComparison.Ordinal) == six);

    /// <summary>Makes a namespace for one test, and takes what belongs to telepresence in it for the comparison afterwards.</summary>
    internal async Task<string> NamespaceAsync(string name, params (string Key, string Value)[] labels)
    {
        JsonObject metadata = new() { ["name"] = name };
        if (labels.Length > 0)
            metadata["labels"] = new JsonObject(labels.Select(static label => KeyValuePair.Create(label.Key, (JsonNode?)label.Value)));
        await Api.CreateAsync("/api/v1/namespaces", new JsonObject { ["metadata"] = metadata });
        await Eventually.HoldsAsync($"namespace {name} has its service account", async () => (await Api.NamesAsync($"/api/v1/namespaces/{name}/serviceaccounts")).Contains("default"));
        await Eventually.HoldsAsync($"namespace {name} has its certificate", async () => (await Api.NamesAsync($"/api/v1/namespaces/{name}/configmaps")).Contains("kube-root-ca.crt"));
        return name;
    }

    /// <summary>Names of the proxy Deployments in a namespace.</summary>
    internal Task<IReadOnlyList<string>> ProxiesAsync(string @namespace) =>
        Api.NamesAsync($"/apis/apps/v1/namespaces/{@namespace}/deployments?labelSelector=app.kubernetes.io%2Fname%3Dtelepresence");

    /// <summary>The proxy pod of the only connection in a namespace.</summary>
    internal async Task<string> ProxyPodAsync(string @namespace) =>
        Assert.Single(await Api.NamesAsync($"/api/v1/namespaces/{@namespace}/pods?labelSelector=app.kubernetes.io%2Fname%3Dtelepresence"));

    /// <summary>Checks that a namespace has no proxy Deployment, and waits until its pods have gone too.</summary>
    internal async Task NothingLeftAsync(string @namespace)
    {
        Assert.Empty(await ProxiesAsync(@namespace));
        await NothingLeftSoonAsync(@namespace);
    }

    /// <summary>Waits until a namespace has no proxy Deployment and no pod of one.</summary>
    internal async Task NothingLeftSoonAsync(string @namespace)
    {
        await Eventually.GivesAsync($"no proxy is left in {@namespace}", async () => string.Join(", ", await ProxiesAsync(@namespace)), static left => left.Length == 0);
        await Eventually.GivesAsync($"no proxy pod is left in {@namespace}", () => ProxyPodsAsync(@namespace), static left => left.Length == 0);
    }

    // With what a failing test wants to know of them.
    private async Task<string> ProxyPodsAsync(string @namespace)
    {
        JsonNode pods = await Api.GetAsync($"/api/v1/namespaces/{@namespace}/pods?labelSelector=app.kubernetes.io%2Fname%3Dtelepresence");
        return string.Join(", ", pods["items"]!.AsArray().Select(static pod =>
            $"{pod!["metadata"]!["name"]} ({pod["status"]?["phase"]}, to end since {pod["metadata"]!["deletionTimestamp"]}, of {pod["metadata"]!["ownerReferences"]?[0]?["name"]})"));
    }

    private static string ClusterProgram => typeof(ControlClient).Assembly.Location;

    private static string DotnetHost => Path.Combine(DotnetRoot, "dotnet");

    private static string Metadata(string key) =>
        typeof(PracticeClusterFixture).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(entry => entry.Key == key).Value!;
}

/// <summary>All tests: one after another, since most of them disturb the cluster, or the machine's two cores.</summary>
[CollectionDefinition(Name)]
public sealed class OnPracticeCluster : ICollectionFixture<PracticeClusterFixture>
{
    public const string Name = "practice cluster";
}
