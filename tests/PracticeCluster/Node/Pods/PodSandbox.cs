using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Telepresence.PracticeCluster.Node;

/// <summary>What a pod's containers share: network, host name, IPC, and a PID namespace around theirs, held by a "pause" process.</summary>
internal sealed partial class PodSandbox
{
    private readonly Process _process;
    private readonly HeldNamespaces _node;

    private PodSandbox(HeldNamespaces node, Process process, int pid, int number)
    {
        _node = node;
        _process = process;
        Pid = pid;
        Number = number;
    }

    /// <summary>The pause process, as seen from here.</summary>
    internal int Pid { get; }

    /// <summary>The pod's number in the address pool and in its link's name.</summary>
    internal int Number { get; }

    internal string NetworkPath => HeldNamespaces.NetworkOf(Pid);

    /// <param name="directory">The pod's own, in the node's mount namespace.</param>
    /// <exception cref="NodeException">A sysctl is not allowed, or the kernel said no.</exception>
    internal static async Task<PodSandbox> CreateAsync(
        HeldNamespaces node, string directory, JsonNode pod, int number, IReadOnlyList<IPAddress> addresses, IPAddress gateway, CancellationToken cancel)
    {
        string script = directory + "/sandbox";
        await File.WriteAllTextAsync(node.Visible(script), Script(node, pod, number, addresses, gateway), cancel);
        string[] command =
        [
            .. Enter(node, node.Pid), $"--mount=/proc/{node.Pid}/ns/mnt", "--",
            Commands.Unshare, "--net", "--uts", "--ipc", "--pid", "--fork", "--", Commands.Shell, script,
        ];
        Process process = Process.Start(Commands.Prepare(Commands.NsEnter, command)) ?? throw new NodeException("cannot start nsenter");
        string? line = await process.StandardOutput.ReadLineAsync(cancel);
        if (int.TryParse(line, CultureInfo.InvariantCulture, out int pid))
            return new PodSandbox(node, process, pid, number);
        string error = await process.StandardError.ReadToEndAsync(cancel);
        process.Dispose();
        throw new NodeException($"failed to create pod sandbox: {error.Trim()}");
    }

    /// <summary>nsenter's arguments for everything of a process but its mount namespace.</summary>
    internal static string[] Enter(HeldNamespaces node, int pid) =>
        pid == node.Pid
            ? [$"--pid=/proc/{pid}/ns/pid"]
            : [$"--net=/proc/{pid}/ns/net", $"--uts=/proc/{pid}/ns/uts", $"--ipc=/proc/{pid}/ns/ipc", $"--pid=/proc/{pid}/ns/pid"];

    /// <summary>Kills whatever is left of the pod and takes its link away.</summary>
    internal async Task RemoveAsync()
    {
        if (Native.Kill(Pid, Native.SignalKill) == 0 || !_process.HasExited)
            await _process.WaitForExitAsync();
        _process.Dispose();
        // The kernel removes the link with the namespace, but some time later; the address may be wanted again before.
        await Commands.RunAsync(Commands.NsEnter, _node.InNetwork("ip", "link", "del", LinkName(Number)));
    }

    private static string LinkName(int number) => string.Create(CultureInfo.InvariantCulture, $"pod{number}");

    private static string Script(HeldNamespaces node, JsonNode pod, int number, IReadOnlyList<IPAddress> addresses, IPAddress gateway)
    {
        string link = LinkName(number);
        var sysctls = new StringBuilder();
        foreach (JsonNode sysctl in pod.Items("spec", "securityContext", "sysctls"))
        {
            string name = sysctl.Text("name") ?? "";
            if (!AllowedSysctl().IsMatch(name))
                throw new NodeException($"forbidden sysctl: \"{name}\" not allowlisted");
            string path = "/proc/sys/" + name.Replace('.', '/');
            sysctls.Append(CultureInfo.InvariantCulture, $"echo {Commands.Quote(sysctl.Text("value") ?? "")} >{Commands.Quote(path)}\n");
        }

        string hostName = pod.Text("spec", "hostname") ?? pod.Text("metadata", "name")!;
        return $"""
            set -e
            read -r pid rest </proc/self/stat
            echo {Commands.Quote(hostName)} >/proc/sys/kernel/hostname
            echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
            echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
            nsenter --net={node.NetworkPath} -- ip -batch - <<END
            link add {link} type veth peer name eth0 netns /proc/$pid/ns/net
            addr add {gateway}/32 dev {link}
            addr add {NodeAddresses.PodGateway6}/64 dev {link} nodad
            link set {link} up
            route add {addresses[0]}/32 dev {link}
            route add {addresses[1]}/128 dev {link}
            END
            ip -batch - <<END
            link set lo up
            addr add {addresses[0]}/32 dev eth0
            addr add {addresses[1]}/128 dev eth0 nodad
            link set eth0 up
            route add {gateway}/32 dev eth0 scope link
            route add default via {gateway} dev eth0
            route add default via {NodeAddresses.PodGateway6} dev eth0
            END
            {sysctls}
            echo "$pid"
            exec sleep infinity </dev/null >/dev/null
            """;
    }

    // The "safe" ones of the Kubernetes documentation.
    [GeneratedRegex(@"^(kernel\.shm_rmid_forced|net\.ipv4\.(ip_local_port_range|tcp_syncookies|ping_group_range|ip_unprivileged_port_start|ip_local_reserved_ports|tcp_keepalive_time|tcp_fin_timeout|tcp_keepalive_intvl|tcp_keepalive_probes|tcp_rmem|tcp_wmem))$")]
    private static partial Regex AllowedSysctl();
}
