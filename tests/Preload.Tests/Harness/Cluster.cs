using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;

using Telepresence.Cli.Engine;
using Telepresence.Cli.Launch.Preload;
using Telepresence.Dns;
using Telepresence.Proxy;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Preload.Tests.Harness;

/// <summary>
/// A cluster and a laptop: the real proxy in a network namespace of its own with services and a name server, the real engine and agent in
/// the test's namespace, and a session between them. Nothing but the session leads from one to the other.
/// </summary>
public sealed class Cluster : IAsyncLifetime, ILinkSource
{
    internal const string Version = "1.0.0";

    private static readonly byte[] Key = SHA256.HashData("a test's session key"u8);

    private readonly ClusterNamespace _namespace = new();
    private readonly EventLoop _proxyLoop = new();
    private readonly string _directory = Directory.CreateTempSubdirectory("preload-tests-").FullName;
    private readonly List<Process> _processes = [];
    private readonly ConcurrentQueue<string> _notices = new();
    private ProxyHost? _proxy;
    private Task _proxyRunning = Task.CompletedTask;
    private ClusterServers? _servers;
    private PreloadMethod? _method;

    internal ConnectEngine Engine { get; } = new();

    internal PreloadMethod Method => _method!;

    internal ClusterServers Servers => _servers!;

    /// <summary>Where the programs are: glibc, musl and static below it.</summary>
    internal static string Programs => Build.Programs;

    public async Task InitializeAsync()
    {
        await Task.WhenAll(Build.AllAsync(), MakeNetworksAsync());
        await StartNameServerAsync();
        _servers = new ClusterServers(_namespace);
        ProxySettings settings = ProxySettings.Read(static name => name == ProxySettings.KeyHashVariable ? Convert.ToHexStringLower(SHA256.HashData(Key)) : null);
        _proxyRunning = _proxyLoop.Start("proxy");
        _proxy = await _proxyLoop.InvokeAsync(() =>
        {
            _namespace.Enter();
            ProxyHost host = new(_proxyLoop, settings, Version, [new TargetAddress(NetAddress.Parse("10.96.0.10"), 53)], static _ => { });
            host.Listen(0);
            return host;
        });
        await Engine.ConnectAsync(new MuxSessionOptions { Version = Version, SessionId = Guid.NewGuid(), Key = Key }, this, default).WaitAsync(TimeSpan.FromSeconds(20));
        await Engine.AttachNetworkAsync(new EngineNetwork
        {
            DnsRules = new DnsRules(new DnsRulesOptions
            {
                Search = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
                Namespaces = ["default"],
                ReverseZones = ["99.10.in-addr.arpa"],
            }),
            RouteOutside = static _ => Task.CompletedTask,
        });
        _method = await PreloadMethod.StartAsync(Engine, Options("agent"));
    }

    internal PreloadOptions Options(string directory) => new()
    {
        Directory = Path.Combine(_directory, directory),
        Library = Build.Library,
        ResolvConf = Path.Combine(_directory, "laptop-resolv.conf"),
        Hosts = Path.Combine(_directory, "hosts"),
        Notice = _notices.Enqueue,
        Exceptions = [IPNetwork.Parse("10.95.0.0/16")],
    };

    /// <summary>A TCP connection to the proxy's port in its namespace.</summary>
    public Task<Link> ConnectAsync(CancellationToken cancellation) => Task.FromResult(_namespace.Run(() =>
    {
        FileDescriptor link = SocketOptions.Open(Libc.AF_INET, Libc.SOCK_STREAM) ?? throw Libc.Failure("socket");
        _ = SocketOptions.Connect(link, NetAddress.Parse("127.0.0.1"), _proxy!.Port);
        return new Link(link);
    }));

    /// <summary>Runs a program in the cluster, as a pod has it: its network, its name server, nothing of ours.</summary>
    internal Task<Output> InClusterAsync(params string[] command) => Shell.RunAsync("", [.. Enter("cluster-resolv.conf"), .. command]);

    /// <summary>Runs a program on the laptop behind the shim.</summary>
    internal Task<Output> BehindShimAsync(params string[] command) => BehindShimAsync(Build.Library, [], "", command);

    /// <summary>Runs a program on the laptop behind a shim.</summary>
    /// <param name="library">The shim.</param>
    /// <param name="settings">NAME=VALUE, put behind the shim's own variables.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="command">The program.</param>
    internal Task<Output> BehindShimAsync(string library, string[] settings, string input, params string[] command)
    {
        string[] variables = [.. Method.Variables(null).Select(variable => $"{variable.Key}={variable.Value.Replace(Build.Library, library, StringComparison.Ordinal)}")];
        return Shell.RunAsync(input, [.. Laptop(), "env", .. variables, .. settings, .. command]);
    }

    /// <summary>Runs a program on the laptop without the shim.</summary>
    internal Task<Output> OnLaptopAsync(params string[] command) => Shell.RunAsync("", [.. Laptop(), .. command]);

    /// <summary>What the agent has told the user of all programs that have run up to now.</summary>
    internal async Task<IReadOnlyCollection<string>> NoticesAsync()
    {
        // Programs do not wait until the agent has heard them. It hears everybody in turn, so this comes behind theirs.
        string last = $"/last-{Guid.NewGuid():N}";
        using AgentClient client = new(Method);
        client.Notice(last);
        for (int i = 0; i < 6000; i++)
        {
            if (_notices.Any(notice => notice.StartsWith(last, StringComparison.Ordinal)))
                return [.. _notices];
            await Task.Delay(10);
        }

        Assert.Fail("The agent does not hear.");
        return [];
    }

    /// <summary>Starts a server in the cluster, which ends with the tests.</summary>
    internal void StartInCluster(params string[] command)
    {
        Process process = Shell.Start([.. Enter("cluster-resolv.conf"), .. command]);
        process.OutputDataReceived += static (_, _) => { };
        process.ErrorDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        lock (_processes)
            _processes.Add(process);
    }

    /// <summary>Waits until something listens on a port in the cluster.</summary>
    internal async Task WaitForPortAsync(string address, int port)
    {
        for (int i = 0; i < 200; i++)
        {
            Output sockets = await InClusterAsync("ss", "-Hltn", string.Create(CultureInfo.InvariantCulture, $"src {address}:{port}"));
            if (sockets.Text.Length > 0)
                return;
            await Task.Delay(50);
        }

        Assert.Fail($"Nothing listens on {address} port {port}.");
    }

    public async Task DisposeAsync()
    {
        foreach (Process process in _processes)
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
            process.Dispose();
        }

        if (_method is not null)
            await _method.DisposeAsync();
        await Engine.DisposeAsync();
        _servers?.Dispose();
        if (_proxy is not null)
        {
            _proxyLoop.Post(_proxy.Dispose);
            _proxyLoop.Post(_proxyLoop.Stop);
            await _proxyRunning;
        }

        _proxyLoop.Dispose();
        _namespace.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private string[] Enter(string resolvConf) => ["nsenter", $"--net={_namespace.Path}", .. Mount(resolvConf)];

    private string[] Laptop() => Mount("laptop-resolv.conf");

    // A mount namespace in which the program has these files; nothing of the machine is changed.
    private string[] Mount(string resolvConf) =>
    [
        "unshare", "--mount", "sh", "-c",
        $"mount --bind {_directory}/{resolvConf} /etc/resolv.conf && mount --bind {_directory}/hosts /etc/hosts && mount --bind {_directory}/nsswitch.conf /etc/nsswitch.conf && exec \"$@\"",
        "sh",
    ];

    private async Task MakeNetworksAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_directory, "cluster-resolv.conf"), "nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n");
        await File.WriteAllTextAsync(Path.Combine(_directory, "laptop-resolv.conf"), "nameserver 192.0.2.53\nsearch corp.example\n");
        await File.WriteAllTextAsync(Path.Combine(_directory, "hosts"), "127.0.0.1 localhost\n::1 localhost ip6-localhost\n10.97.7.7 in-hosts-file another-name\n");
        await File.WriteAllTextAsync(Path.Combine(_directory, "nsswitch.conf"), "hosts: files dns\nservices: files\n");
        await Shell.MustAsync(
            "nsenter", $"--net={_namespace.Path}", "sh", "-ec",
            """
            ip link set lo up
            for address in 10.99.0.1/32 10.99.0.2/32 10.99.0.3/32 10.96.0.10/32 fd99::1/128; do ip addr add $address dev lo; done
            ip link add silent type veth peer name nobody
            ip link set nobody up
            ip link set silent up
            ip addr add 10.97.0.254/24 dev silent
            ip neigh add 10.97.0.1 lladdr 02:00:00:00:00:01 dev silent nud permanent
            ip route add unreachable 10.98.0.0/16
            """);

        // The C library takes a machine without any address but loopback for one that needs no IPv4 addresses.
        await Shell.MustAsync("sh", "-c", "ip -4 addr show scope global | grep -q inet || { ip link add laptop type veth peer name network && ip addr add 192.0.2.2/32 dev laptop && ip link set network up && ip link set laptop up; }");
    }

    private async Task StartNameServerAsync()
    {
        string longText = string.Join(',', Enumerable.Range(0, 8).Select(static _ => new string('x', 200)));
        StartInCluster(
            "dnsmasq", "--conf-file=/dev/null", "--no-daemon", "--no-resolv", "--no-hosts", "--listen-address=10.96.0.10", "--bind-interfaces",
            "--local=/#/",
            "--host-record=web.default.svc.cluster.local,10.99.0.1,fd99::1",
            "--host-record=only4.default.svc.cluster.local,10.99.0.1",
            "--host-record=named.default.svc.cluster.local,10.99.0.3",
            "--cname=alias.default.svc.cluster.local,only4.default.svc.cluster.local",
            "--srv-host=_http._tcp.web.default.svc.cluster.local,web.default.svc.cluster.local,80",
            $"--txt-record=long.default.svc.cluster.local,{longText}");
        await WaitForPortAsync("10.96.0.10", 53);
    }
}

/// <summary>All tests share one cluster, and run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class ClusterCollection : ICollectionFixture<Cluster>
{
    internal const string Name = "cluster";
}
