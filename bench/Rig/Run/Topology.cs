namespace Telepresence.Rig.Run;

/// <summary>
/// The servers' namespace, and the others that reach it.
/// <code>
///   app-N  10.78.N.2 ──veth── 10.78.N.1  server    10.77.0.1 on its loopback: nginx, echo, bulk, DNS; the proxy on 127.0.0.1
/// </code>
/// Nobody routes 10.77.0.0/24 over the veth: an app reaches it through the path that is measured, or not at all.
/// </summary>
internal static class Topology
{
    internal const string Server = "server", ServerAddress = "10.77.0.1", ServerNetwork = "10.77.0.0/24";

    internal static async Task BuildServerAsync(Lab lab)
    {
        await lab.AddNamespaceAsync(Server);

        // pasta and slirp4netns copy the namespace's way out, so it needs one; nothing is ever sent there.
        await lab.ShellAsync(Server, $"""
            ip address add {ServerAddress}/32 dev lo
            ip link add out type veth peer name nowhere
            ip link set nowhere up
            ip address add 10.79.0.1/24 dev out
            ip link set out up
            ip route add default via 10.79.0.254
            """);
        await lab.ExpectAsync(lab.Start("server", Lab.In(Server, Lab.Self("server"))), "ready");
        await StartHttpAsync(lab, "nginx", Lab.In(Server));
    }

    /// <summary>Makes the namespace <c>app-N</c> with a veth to the server.</summary>
    /// <returns>Its name and the server's address on that veth.</returns>
    internal static async Task<(string Namespace, string Gateway)> AddAppAsync(Lab lab, int number)
    {
        string name = $"app-{number}";
        await lab.AddNamespaceAsync(name);
        await lab.ShellAsync(name, $"""
            ip link add uplink type veth peer name app{number} netns {Server}
            ip address add 10.78.{number}.2/24 dev uplink
            ip link set uplink up
            """);
        await lab.ShellAsync(Server, $"ip address add 10.78.{number}.1/24 dev app{number}; ip link set app{number} up");
        return (name, $"10.78.{number}.1");
    }

    /// <summary>Starts nginx with one small page.</summary>
    /// <param name="lab">Where its files go.</param>
    /// <param name="name">Theirs.</param>
    /// <param name="enter">What takes it to its place.</param>
    internal static async Task StartHttpAsync(Lab lab, string name, string[] enter)
    {
        string root = lab.PathOf("www");
        Directory.CreateDirectory(root);
        await File.WriteAllTextAsync(Path.Combine(root, "page"), new string('x', 100));
        string configuration = lab.PathOf($"{name}.conf");
        await File.WriteAllTextAsync(configuration, $$"""
            daemon off; worker_processes 1; user root; error_log {{lab.PathOf($"{name}.err")}}; pid {{lab.PathOf($"{name}.pid")}};
            events { worker_connections 8192; }
            http { access_log off; keepalive_requests 100000000; server { listen {{Ports.Http}} backlog=8192; root {{root}}; } }
            """);
        lab.Start(name, [.. enter, "nginx", "-c", configuration]);
    }
}
