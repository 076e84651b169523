using System.Diagnostics;
using System.Net;

namespace Telepresence.Rig.Run;

/// <summary>Other programs that carry TCP from here to there, as Debian packages them.</summary>
internal static class Peers
{
    internal static readonly string[] Names = ["pasta", "slirp4netns", "ssh-D", "ssh-L", "sshuttle"];

    internal static Task<BenchPath> StartAsync(Lab lab, string name, string netns, string gateway) => name switch
    {
        "pasta" => StartPastaAsync(lab),
        "slirp4netns" => StartSlirpAsync(lab),
        "ssh-D" => StartSshAsync(lab, netns, gateway),
        "ssh-L" => StartForwardsAsync(lab, netns, gateway),
        "sshuttle" => StartSshuttleAsync(lab, netns, gateway),
        _ => throw new ArgumentException($"There is no path named '{name}'; known are {string.Join(", ", Paths.Names)}."),
    };

    // pasta and slirp4netns give a namespace the network of another, here the servers', through sockets there.
    private static async Task<BenchPath> StartPastaAsync(Lab lab)
    {
        // Our runtime ignores SIGPIPE, children inherit that, and this program takes it for a failure.
        const string guest = "pasta";
        await lab.AddNamespaceAsync(guest);
        Process pasta = lab.Start("pasta", Lab.In(Topology.Server,
            "env", "--default-signal=PIPE", "pasta", "--foreground", "--runas", "0", "--config-net", "--address", "10.66.0.2", "--netmask", "24", "--gateway", "10.66.0.1",
            "--mtu", "65520", "-t", "none", "-u", "none", "-T", "none", "-U", "none", "--ipv4-only", "--netns-only",
            "--netns", Lab.NamespaceFile(guest)));
        await WaitForRouteAsync(lab, guest);
        return new BenchPath { Name = "pasta", Namespace = guest, Dns = IPAddress.Parse(Topology.ServerAddress), IdleLimit = 1000, Relays = [pasta.Id] };
    }

    private static async Task<BenchPath> StartSlirpAsync(Lab lab)
    {
        const string guest = "slirp";
        await lab.AddNamespaceAsync(guest);
        Process slirp = lab.Start("slirp4netns", Lab.In(Topology.Server,
            "slirp4netns", "--configure", "--mtu=65520", "--netns-type=path", Lab.NamespaceFile(guest), "tap0"));
        await WaitForRouteAsync(lab, guest);
        return new BenchPath { Name = "slirp4netns", Namespace = guest, Dns = IPAddress.Parse(Topology.ServerAddress), IdleLimit = 500, Relays = [slirp.Id] };
    }

    // What the first Telepresence was: SOCKS through ssh, and torsocks in front of the program.
    private static async Task<BenchPath> StartSshAsync(Lab lab, string netns, string gateway)
    {
        (Process server, string[] ssh) = await StartSshServerAsync(lab, "ssh-D", gateway, Ports.Ssh);
        Process client = lab.Start("ssh-D", Lab.In(netns, [.. ssh, "-N", "-D", "127.0.0.1:1080", gateway]));
        string configuration = lab.PathOf("torsocks.conf");
        await File.WriteAllTextAsync(configuration, "TorAddress 127.0.0.1\nTorPort 1080\nOnionAddrRange 127.42.42.0/24\nAllowOutboundLocalhost 1\n");
        await WaitForPortAsync(lab, netns, 1080);
        return new BenchPath
        {
            Name = "ssh-D",
            Namespace = netns,
            Wrapper = ["torsocks"],
            IdleLimit = 1000,
            Environment = new Dictionary<string, string> { ["TORSOCKS_CONF_FILE"] = configuration, ["TORSOCKS_LOG_LEVEL"] = "1" },
            Relays = [server.Id, client.Id],
        };
    }

    // Ports that somebody has listed beforehand; nothing catches a program.
    private static async Task<BenchPath> StartForwardsAsync(Lab lab, string netns, string gateway)
    {
        (Process server, string[] ssh) = await StartSshServerAsync(lab, "ssh-L", gateway, Ports.Ssh + 2);
        int[] ports = [Ports.Bulk, Ports.Echo, Ports.Http];
        Process client = lab.Start("ssh-L", Lab.In(netns,
            [.. ssh, "-N", .. ports.SelectMany(static port => (string[])["-L", $"127.0.0.1:{port}:{Topology.ServerAddress}:{port}"]), gateway]));
        await WaitForPortAsync(lab, netns, Ports.Http);
        return new BenchPath { Name = "ssh-L", Namespace = netns, Target = IPAddress.Loopback.ToString(), IdleLimit = 1000, Relays = [server.Id, client.Id] };
    }

    private static async Task<BenchPath> StartSshuttleAsync(Lab lab, string netns, string gateway)
    {
        (Process server, string[] ssh) = await StartSshServerAsync(lab, "sshuttle", gateway, Ports.Ssh + 1);

        // Something must route the network for the redirection to see it.
        await lab.ShellAsync(netns, $"ip route add {Topology.ServerNetwork} via {gateway}");
        Process client = lab.Start("sshuttle", Lab.In(netns,
            "sshuttle", "--disable-ipv6", "--method", "nat", "--remote", gateway, "--ssh-cmd", string.Join(' ', ssh), "--python", "/usr/bin/python3", Topology.ServerNetwork));
        for (int i = 0; !(await lab.ShellAsync(netns, "iptables-save -t nat")).Contains("sshuttle", StringComparison.Ordinal); i++)
        {
            if (i == 100)
                throw new IOException("sshuttle did not come up.");
            await Task.Delay(100);
        }

        return new BenchPath { Name = "sshuttle", Namespace = netns, IdleLimit = 200, Relays = [server.Id, client.Id] };
    }

    private static async Task<(Process Server, string[] Client)> StartSshServerAsync(Lab lab, string name, string gateway, int port)
    {
        string host = lab.PathOf($"{name}-host"), user = lab.PathOf($"{name}-user"), configuration = lab.PathOf($"{name}-sshd.conf");
        await lab.RunAsync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host]);
        await lab.RunAsync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", user]);
        await File.WriteAllTextAsync(configuration, $"""
            Port {port}
            HostKey {host}
            PidFile none
            AuthorizedKeysFile {user}.pub
            StrictModes no
            PermitRootLogin yes
            UsePAM no
            MaxSessions 1000
            """);
        Directory.CreateDirectory("/run/sshd");
        Process server = lab.Start($"{name}-sshd", Lab.In(Topology.Server, "/usr/sbin/sshd", "-D", "-f", configuration));
        await WaitForPortAsync(lab, Topology.Server, port);
        return (server,
        [
            "ssh", "-F", "/dev/null", "-i", user, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", "-p", $"{port}", "-l", "root",
        ]);
    }

    private static Task WaitForPortAsync(Lab lab, string netns, int port) =>
        lab.ShellAsync(netns, $"for i in $(seq 100); do ss -Hltn 'sport = :{port}' | grep -q . && exit 0; sleep 0.1; done; echo 'port {port} did not open' >&2; exit 1");

    private static Task WaitForRouteAsync(Lab lab, string netns) =>
        lab.ShellAsync(netns, "for i in $(seq 100); do ip route | grep -q default && exit 0; sleep 0.1; done; echo 'no default route' >&2; exit 1");
}
