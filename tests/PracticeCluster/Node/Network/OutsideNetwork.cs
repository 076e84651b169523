using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.PracticeCluster.Node;

/// <summary>
/// The network beyond the cluster, which only the cluster reaches: a name server for example.com, a redis as the "cloud
/// database" and a web server, each on an address of its own.
/// </summary>
internal sealed class OutsideNetwork : IAsyncDisposable
{
    private readonly HeldNamespaces _namespaces;

    private OutsideNetwork(HeldNamespaces namespaces) => _namespaces = namespaces;

    internal int Pid => _namespaces.Pid;

    /// <param name="root">An empty directory of the host; the servers' files are on a tmpfs that only they see there.</param>
    internal static async Task<OutsideNetwork> CreateAsync(HeldNamespaces node, string root, CancellationToken cancel)
    {
        string directory = Commands.Quote(root);
        string setup = $"""
            mount -t tmpfs -o mode=755 practice {directory}
            cd {directory}
            {NodeScripts.Outside(node)}
            cat >unbound.conf <<'END'
            {Configuration()}
            END
            unbound -d -c {directory}/unbound.conf >unbound.log 2>&1 &
            redis-server --bind {NodeAddresses.Database4} {NodeAddresses.Database6} --port 6379 --protected-mode no \
              --save '' --appendonly no --dir {directory} >redis.log 2>&1 &
            {Commands.Quote(PracticeServer.Command(PracticeServer.Here, "--address", NodeAddresses.Web4.ToString(), "--address", NodeAddresses.Web6.ToString(), "--http", "80", "--echo", "7"))} >web.log 2>&1 &
            cd /
            """;
        HeldNamespaces namespaces = await HeldNamespaces.CreateAsync(root + "/outside.sh", setup, cancel);
        try
        {
            foreach (IPEndPoint server in Servers)
                await WaitForAsync(namespaces, server, cancel);
        }
        catch
        {
            await namespaces.DisposeAsync();
            throw;
        }

        return new OutsideNetwork(namespaces);
    }

    public ValueTask DisposeAsync() => _namespaces.DisposeAsync();

    private static IEnumerable<IPEndPoint> Servers =>
    [
        new(NodeAddresses.OutsideDns4, 53), new(NodeAddresses.Database4, 6379), new(NodeAddresses.Web4, 80),
    ];

    private static async Task WaitForAsync(HeldNamespaces namespaces, IPEndPoint server, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        while (true)
        {
            try
            {
                using Socket socket = await NamespaceSockets.ConnectAsync(namespaces.NetworkPath, server, limit.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(20, cancel);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                throw new NodeException($"the outside server {server} did not start");
            }
        }
    }

    private static string Configuration()
    {
        string many = string.Concat(Enumerable.Range(1, 60).Select(i =>
            string.Create(CultureInfo.InvariantCulture, $"  local-data: 'many.example.com. 60 IN A 198.51.100.{i + 100}'\n")));
        return $"""
            server:
              interface: {NodeAddresses.OutsideDns4}@53
              interface: {NodeAddresses.OutsideDns6}@53
              access-control: 0.0.0.0/0 allow
              access-control: ::/0 allow
              do-daemonize: no
              chroot: ""
              username: ""
              pidfile: ""
              use-syslog: no
              module-config: "iterator"
              num-threads: 1
              local-zone: "." static
              local-zone: "100.51.198.in-addr.arpa." nodefault
              local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
              local-data: '. 60 IN SOA outside.example.com. hostmaster.example.com. 1 7200 1800 86400 5'
              local-data: 'example.com. 60 IN SOA outside.example.com. hostmaster.example.com. 1 7200 1800 86400 5'
              local-data: 'db.cloud.example.com. 60 IN A {NodeAddresses.Database4}'
              local-data: 'db.cloud.example.com. 60 IN AAAA {NodeAddresses.Database6}'
              local-data: 'db.cloud.example.com. 60 IN TXT "engine=redis" "tier=practice"'
              local-data: '_redis._tcp.cloud.example.com. 60 IN SRV 10 100 6379 db.cloud.example.com.'
              local-data: 'cloud.example.com. 60 IN MX 10 mail.cloud.example.com.'
              local-data: 'mail.cloud.example.com. 60 IN A {NodeAddresses.Web4}'
              local-data: 'www.example.com. 60 IN A {NodeAddresses.Web4}'
              local-data: 'www.example.com. 60 IN AAAA {NodeAddresses.Web6}'
              local-data: 'v4only.example.com. 60 IN A {NodeAddresses.Web4}'
              local-data: 'v6only.example.com. 60 IN AAAA {NodeAddresses.Web6}'
              local-data: 'split.example.com. 60 IN A {NodeAddresses.Web4}'
              local-data: 'txt.example.com. 60 IN TXT "only text here"'
              local-data: '{ReverseName.Of(NodeAddresses.Database4)} 60 IN PTR db.cloud.example.com.'
            {many}
            """;
    }
}
