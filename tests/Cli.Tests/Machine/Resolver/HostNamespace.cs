using System.Diagnostics;

namespace Telepresence.Cli.Tests.Machine.Resolver;

/// <summary>
/// A small machine in mount and network namespaces of its own: a private /etc and /run, an uplink <c>eth0</c> with a name server at
/// 192.0.2.53 that knows www.example.com, and an interface <c>tel0</c> with a name server at 198.18.77.1 that knows the cluster. Real
/// dnsmasq answers, the real C library asks. Everything vanishes with the process that holds the namespaces.
/// </summary>
internal sealed class HostNamespace : IDisposable
{
    private const string Setup = """
        set -e
        mount -t tmpfs etc /mnt
        cp -a /etc/. /mnt/
        mount --bind /mnt /etc
        umount -l /mnt 2>/dev/null || true
        mount -t tmpfs run /run
        mount -t sysfs sys /sys # of this network namespace
        mkdir -p /run/telepresence-test
        ip link set lo up
        ip link add eth0 type veth peer name eth0-peer
        ip link set eth0-peer up
        ip address add 192.0.2.2/24 dev eth0
        ip address add 192.0.2.53/24 dev eth0
        ip address add 192.0.2.54/24 dev eth0
        ip link set eth0 up
        ip route add default via 192.0.2.1 dev eth0
        ip link add tel0 type veth peer name tel0-peer
        ip link set tel0-peer up
        ip address add 198.18.77.1/32 dev tel0
        ip link set tel0 up
        printf 'hosts: files dns\n' > /etc/nsswitch.conf
        rm -f /etc/resolv.conf
        printf 'nameserver 192.0.2.53\nsearch corp.example\n' > /etc/resolv.conf
        common='--keep-in-foreground --no-resolv --no-hosts --bind-interfaces --user=root --conf-file=/dev/null --local=/#/ --cache-size=0'
        dnsmasq $common --pid-file=/run/telepresence-test/up.pid --listen-address=192.0.2.53,192.0.2.54 --except-interface=lo \
            --address=/www.example.com/192.0.2.80 --address=/intranet.corp.example/192.0.2.81 --address=/both.example.com/192.0.2.82 &
        dnsmasq $common --pid-file=/run/telepresence-test/cluster.pid --listen-address=198.18.77.1 --except-interface=lo \
            --address=/helloworld.default.svc.cluster.local/10.96.0.7 --address=/db.cloud.example.net/172.20.0.4 --address=/both.example.com/172.20.0.5 &
        for i in $(seq 600); do
            dig +short +tries=1 +time=1 @198.18.77.1 helloworld.default.svc.cluster.local 2>/dev/null | grep -q 10.96.0.7 &&
            dig +short +tries=1 +time=1 @192.0.2.53 www.example.com 2>/dev/null | grep -q 192.0.2.80 && { echo ready; wait; exit 0; }
            sleep 0.1
        done
        echo 'the name servers did not start' >&2
        exit 1
        """;

    private const string ResolvedSetup = """
        set -e
        mkdir -p /run/dbus /run/systemd
        id systemd-resolve >/dev/null 2>&1 || {
            echo 'systemd-resolve:x:991:991::/:/bin/false' >> /etc/passwd
            echo 'systemd-resolve:x:991:' >> /etc/group
        }
        cat > /run/dbus/bus.conf <<'END'
        <busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
        <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
        END
        dbus-daemon --config-file=/run/dbus/bus.conf --nofork --nopidfile --print-address=1 2>/dev/null > /run/dbus/address &
        echo $! > /run/telepresence-test/dbus.pid
        until [ -s /run/dbus/address ]; do sleep 0.05; done
        rm /etc/resolv.conf
        ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
        DAEMON 2> /run/telepresence-test/resolved.log &
        echo $! > /run/telepresence-test/resolved.pid
        for i in $(seq 600); do
            resolvectl dns >/dev/null 2>&1 && [ -s /etc/resolv.conf ] && break
            sleep 0.1
        done
        resolvectl dns eth0 192.0.2.53
        resolvectl domain eth0 corp.example
        resolvectl llmnr eth0 no
        echo ready
        wait
        """;

    private readonly Process _holder;
    private readonly List<Process> _children = [];
    private string? _toolDirectory;

    public HostNamespace()
    {
        _holder = Start("unshare", ["--mount", "--net", "--propagation", "private", "--", "sh", "-c", "echo held; exec cat"]);
        string? held = _holder.StandardOutput.ReadLine();
        Assert.True(held == "held", $"unshare failed: {(held is null ? _holder.StandardError.ReadToEnd() : held)}");
        Directory.CreateDirectory(Journals);
        Process setup = Enter("sh", "-c", Setup);
        string? ready = setup.StandardOutput.ReadLine();
        if (ready == "ready")
            return;
        string error = setup.StandardError.ReadToEnd();
        Dispose(); // nobody else will
        Assert.Fail($"The namespaces could not be set up: {ready}{error}");
    }

    /// <summary>Starts systemd-resolved with a D-Bus; resolv.conf leads to its stub, eth0 has its server.</summary>
    public void StartResolved()
    {
        _toolDirectory = ResolvedPackage.ToolDirectory;
        Process setup = Enter("sh", "-c", ResolvedSetup.Replace("DAEMON", ResolvedPackage.Daemon, StringComparison.Ordinal));
        string? ready = setup.StandardOutput.ReadLine();
        Assert.True(ready == "ready", ready is null ? setup.StandardError.ReadToEnd() + Try("cat /run/telepresence-test/resolved.log").Output : ready);
    }

    /// <summary>Directory on the real machine's disk for journals, removed at the end.</summary>
    public string Journals { get; } = Path.Combine(Path.GetTempPath(), $"telepresence-test-{Guid.NewGuid():N}");

    public string Journal => Path.Combine(Journals, "journal");

    /// <summary>Runs a shell command inside and gives what it printed; its exit code must be 0.</summary>
    public string Run(string command)
    {
        (int code, string output, string error) = Try(command);
        Assert.True(code == 0, $"{command}: exit {code}: {output}{error}");
        return output;
    }

    public (int Code, string Output, string Error) Try(string command)
    {
        Process process = Enter("sh", "-c", command);
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>The address that the C library finds for a name, or an empty string.</summary>
    public string Resolve(string name) => Try($"getent ahostsv4 {name}").Output.Split(' ')[0];

    /// <summary>Runs until a command succeeds, for at most a minute; for services that start.</summary>
    public void WaitFor(string command) => Run($"for i in $(seq 600); do {command} >/dev/null 2>&1 && exit 0; sleep 0.1; done; {command}");

    /// <summary>Starts a program inside that ends with the test.</summary>
    public Process Enter(string program, params string[] arguments)
    {
        Process process = Start("nsenter", ["--target", $"{_holder.Id}", "--mount", "--net", "--", program, .. arguments]);
        _children.Add(process);
        return process;
    }

    /// <summary>Starts this assembly's helper for the resolver inside.</summary>
    public Process Helper(params string[] arguments) => Verb("resolver", arguments);

    /// <summary>Starts this assembly's helper inside.</summary>
    public Process Verb(string verb, params string[] arguments) => Enter(Environment.ProcessPath!, [.. Launcher(), verb, .. arguments]);

    public void Dispose()
    {
        // Daemons first, by the files in which they wrote their numbers; the shells that started them wait for them.
        Try("kill $(cat /run/telepresence-test/*.pid) 2>/dev/null");
        foreach (Process child in _children)
        {
            if (!child.WaitForExit(TimeSpan.FromMilliseconds(100)))
                child.Kill(entireProcessTree: true);
            child.Dispose();
        }

        _holder.Kill();
        _holder.Dispose();
        Directory.Delete(Journals, recursive: true);
    }

    private static string[] Launcher() => ["exec", typeof(HostNamespace).Assembly.Location];

    private Process Start(string program, IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        if (_toolDirectory is not null)
            start.Environment["PATH"] = $"{_toolDirectory}:{start.Environment["PATH"]}";
        return Process.Start(start)!;
    }
}
